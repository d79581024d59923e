"""Plugins, examples and pages do with what is public, as the plugins of others have to."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from corn_core.hookspecs import HOOKS
from corn_testkit.template import GROUPS, write_plugin
from tests.contract import prose, public
from tests.contract.pages import ROOT

_COMMAND = {
    *("corn_core.assemble", "corn_core.cli", "corn_core.extensions.manager"),
    *("corn_core.settings.commandline", "corn_core.settings.registry"),
    *("corn_core.settings.sources", "corn_core.findings"),
}
"""What the command itself is made of."""

# What still needs private modules. This list only ever gets shorter.
EXCEPTIONS = {
    # They run the command, or read its arguments, inside another program.
    "plugins/corn-django/src/corn_django/__main__.py": _COMMAND,
    "plugins/corn-django/src/corn_django/handover.py": _COMMAND,
    "plugins/corn-django/src/corn_django/management/commands/corn.py": _COMMAND,
    "plugins/corn-paste/src/corn_paste/runner.py": _COMMAND,
    "plugins/corn-testkit/src/corn_testkit/describe.py": _COMMAND,
    # They stand for Gunicorn's own modules, or say what of the core takes the place of these.
    "plugins/corn-gunicorn/src/corn_gunicorn/absent.py": {"corn_core.extensions.drivers"},
    "plugins/corn-gunicorn/src/corn_gunicorn/attributes.py": {
        *("corn_core.extensions.hints", "corn_core.hookspecs"),
    },
    "plugins/corn-gunicorn/src/corn_gunicorn/classes.py": {"corn_core.extensions.drivers"},
    "plugins/corn-gunicorn/src/corn_gunicorn/counterparts/__init__.py": {"corn_core.wsgi.environ"},
    "plugins/corn-gunicorn/src/corn_gunicorn/counterparts/app/wsgiapp.py": {"corn_core.cli"},
    "plugins/corn-gunicorn/src/corn_gunicorn/counterparts/arbiter.py": {
        "corn_core.arbiter.arbiter",
    },
    "plugins/corn-gunicorn/src/corn_gunicorn/counterparts/glogging.py": {
        *("corn_core.logs.access", "corn_core.logs.logconfig"),
    },
    # The page describes the memory that this module lays out.
    "docs/architecture.md block 0": {"corn_core.process.scoreboard"},
}


def test_only_public_modules_are_imported() -> None:
    """Each source imports what is public, and what it is excepted for; no exception is in vain."""
    found = {name: private for name, text in public.sources() if (private := public.private(text))}
    assert {
        name: more for name in found if (more := found[name] - EXCEPTIONS.get(name, set()))
    } == {}
    assert EXCEPTIONS.keys() - found.keys() == set()


@pytest.mark.parametrize("kind", GROUPS)
def test_template_shows_the_way(kind: str, tmp_path: Path) -> None:
    """A plugin that was begun with the kit imports what is public, and reads as our own do."""
    home = write_plugin(kind, "mine", tmp_path / "mine")
    written = list(home.rglob("*.py"))
    assert len(written) > 2
    for path in written:
        assert not public.private(path.read_text())
        assert not list(prose.in_python(path.read_text()))
    lint = [sys.executable, "-m", "ruff", "--config", str(ROOT / "pyproject.toml")]
    for words in (["check"], ["format", "--check"]):
        done = subprocess.run([*lint[:3], *words, *lint[3:], str(home)], capture_output=True)
        assert done.returncode == 0, done.stdout.decode()


def test_everything_is_read() -> None:
    names = "\n".join(name for name, _ in public.sources())
    for part in ("corn_gthread/driver.py", "corn-hello-threads/", "corn.conf.py", "kit.md block"):
        assert part in names


@pytest.mark.parametrize(
    "source",
    [
        "import corn_core.arbiter.arbiter",
        "from corn_core import errors",
        "from corn_core.net import Listener",
        "from corn_core.worker.base import Worker",
        "from corn_core.worker import _Private",
        "if TYPE_CHECKING:\n    from corn_core.config import Config",
        "def late():\n    from corn_core.logs import Logger",
    ],
)
def test_private_import_is_found(source: str) -> None:
    assert public.private(source)


@pytest.mark.parametrize(
    "source",
    ["from corn_core import __version__, hookimpl", "import corn_core.app", "import corn_statsd"],
)
def test_public_import_is_accepted(source: str) -> None:
    assert not public.private(source)


@pytest.mark.parametrize("name", sorted(public.PUBLIC - {"corn_core.app"}))
def test_all_names_of_a_public_module_exist(name: str) -> None:
    module = importlib.import_module(name)
    assert list(module.__all__) and all(hasattr(module, each) for each in module.__all__)


# -- what hooks are handed -----------------------------------------------------------

TYPES = {
    "server": {"Server"},
    "worker": {"WorkerView"},
    "config": {"Config"},
    "req": {"Request", "Request | None"},
    "resp": {"Response", "Response | None"},
}
"""How a hook may annotate its arguments."""


def hook_arguments() -> dict[str, dict[str, str]]:
    """Return the annotations of every hook's arguments and of its result."""
    tree = ast.parse((ROOT / "corn_core" / "hookspecs.py").read_text())
    return {
        node.name: {
            **{each.arg: ast.unparse(each.annotation or node) for each in node.args.args},
            "return": ast.unparse(node.returns or node),
        }
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name in HOOKS
    }


def test_arguments_of_hooks_have_types() -> None:
    for name, annotated in hook_arguments().items():
        assert set(annotated) == {*HOOKS[name].arguments, "return"}, name
        for argument, given in annotated.items():
            assert given in TYPES.get(argument, {given}), name
            assert given and (argument == "environ" or "Any" not in given), name
    assert hook_arguments().keys() == HOOKS.keys()
