"""The documentation is true: it is compared with the code, and its examples are run."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from corn_control import cornctl
from corn_core.hookspecs import HOOKS
from corn_core.logs.atoms import SOURCES
from corn_core.settings.registry import COMMANDS
from corn_testkit.client import Address, listens
from corn_testkit.fixtures import Serve
from corn_testkit.pytest_plugin import OPTIONS
from corn_testkit.waiting import wait_for
from tests.contract import pages
from tests.contract.pages import DOCS, OTHERS, PROSE, QUICKSTARTS, REFERENCE, ROOT, TUTORIALS
from tests.contract.walkthrough import Walkthrough


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generator = load_generator()
SETTINGS = list(generator.load_registry())
PAGES_OF_SETTINGS = generator.pages_of(generator.load_registry())


def reference(name: str) -> str:
    return (DOCS / "reference" / name).read_text()


def section(text: str, heading: str) -> str:
    """Return the text under a heading of the third level."""
    found = re.search(rf"^### `{heading}`\n(.*?)(?=^##|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    assert found, f"{heading} has no heading"
    return found[1]


# -- the reference -------------------------------------------------------------------


@pytest.mark.parametrize("name", generator.PAGES)
def test_reference_is_what_the_generator_makes(name: str) -> None:
    made = generator.PAGES[name]()
    assert reference(name) == made, "the declarations have changed: python docs/generate.py"


def test_settings_are_described() -> None:
    for setting in SETTINGS:
        text = section(reference(PAGES_OF_SETTINGS[setting.name]), setting.name)
        for flag in setting.flags:
            assert re.search(rf"`{flag}[ `]", text), flag
            assert re.search(rf"`{flag}[ `]", reference("command-line.md")), flag
        assert ("Config file: no" in text) == ("file" not in setting.places), setting.name
        assert setting.env is None or f"Environment: `{setting.env}`" in text, setting.name
        assert setting.default_text or f"Default: `{setting.default!r}`" in text, setting.name
    assert len(SETTINGS) > 50


def test_hooks_are_described() -> None:
    for name, hook in HOOKS.items():
        text = section(reference("hooks.md"), name)
        assert f"```text\n{name}({', '.join(hook.arguments)})\n```" in text, name
        for field in generator.FIELDS:
            assert f"\n- {field}: " in text, name
        assert f"Failure policy: {'fatal' if hook.fatal else 'logged'}\n" in text, name
        assert ("Config file: no" in text) != hook.in_config_file, name


@pytest.mark.parametrize("module", generator.PUBLIC)
def test_public_names_are_described(module: str) -> None:
    text = reference("api.md")
    names = generator.apidoc.public_names(module)
    assert names.keys() == set(importlib.import_module(module).__all__)
    for name, one in names.items():
        assert re.search(rf"^### `(?:\w+\.)?{name}`$", text, flags=re.MULTILINE)
        assert one.text, f"{name} lacks a docstring"


def test_members_are_described_with_their_types() -> None:
    assert "- `notify() -> None`: Say that the worker is not stuck" in section(
        reference("api.md"), "Worker"
    )
    assert "- `pid: int`: The master's process id." in section(reference("api.md"), "Server")
    assert "- `action`: how the flag acts." in section(reference("api.md"), "Setting")


def test_links_are_pointed_at_the_page_of_a_setting() -> None:
    text = "[a](reference/settings.md#workers), [b](reference/settings-workers.md#bind), [c](x#a)"
    assert generator.relinked(text, generator.load_registry()) == (
        "[a](reference/settings-workers.md#workers), [b](reference/settings-listening.md#bind),"
        " [c](x#a)"
    )


def test_hooks_that_are_never_called_are_found() -> None:
    called = generator.called_hooks()
    assert "pre_fork" in called and "worker_int" in called
    assert called <= set(HOOKS)


def test_text_cannot_become_markup() -> None:
    registry = generator.load_registry()
    assert generator.prose("a [b] *c* max_requests", registry) == (
        r"a \[b\] \*c\* [`max_requests`](settings-workers.md#max_requests)"
    )
    assert generator.prose("max_requests", registry, "settings-workers.md") == (
        "[`max_requests`](#max_requests)"
    )
    word = "x" * (generator.WIDTH - 2)
    assert generator.paragraph(f"- {word} 2. y") == f"\\- {word}\n2\\. y"


# -- the pages -----------------------------------------------------------------------


@pytest.fixture
def walkthrough(tmp_path: Path) -> Iterator[Walkthrough]:
    reader = Walkthrough(tmp_path)
    shutil.copy(ROOT / "examples" / "hello.py", reader.directory)
    yield reader
    reader.close()


def by_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("page", sorted({*PROSE} - {*TUTORIALS, QUICKSTARTS}), ids=by_name)
def test_examples_work(page: Path, walkthrough: Walkthrough) -> None:
    for block in pages.blocks(page.read_text()):
        walkthrough.follow(block)


def test_something_is_run() -> None:
    found = [block for page in PROSE for block in pages.blocks(page.read_text())]
    assert sum("run" in block.words for block in found) > 20
    assert sum("server" in block.words for block in found) > 10


def test_code_is_run_or_said_to_be_an_example() -> None:
    for block in (block for page in PROSE for block in pages.blocks(page.read_text())):
        if block.language in ("console", "python", "sh"):
            marked = block.words & {"run", "server", "example"}
            assert marked or block.file or block.appended_to, f"this is never run:\n{block.text}"


def test_links_resolve() -> None:
    every = (*PROSE, *REFERENCE, *OTHERS)
    assert {page: broken for page in every if (broken := [*pages.broken_links(page)])} == {}


def test_broken_links_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One `two`\n[a](#one-two) [`b`](#three) [c](page.md) [d](no.md) `[e](f)`\n")
    assert sorted(pages.broken_links(page)) == ["#three", "no.md"]


def _flags_of(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the flags of a command and of those below it; argparse lists them here only."""
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from _flags_of(each)


@pytest.mark.parametrize("page", [*PROSE, ROOT / "README.md"], ids=by_name)
def test_flags_exist(page: Path) -> None:
    flags = {flag for setting in SETTINGS for flag in setting.flags}
    flags.update(flag for command in COMMANDS.values() for flag in command.flags)
    flags.update(OPTIONS)
    text = page.read_text()
    if page.name == "coming-from-others.md":
        # The first column has the flags of another server.
        text = re.sub(r"^\|[^|]*\|", "|", text, flags=re.MULTILINE)
    if "cornctl" in text:
        flags.update(_flags_of(cornctl.parser()))
    named = {
        found
        for code in pages.inline_code(text)
        for found in re.findall(r"(?<![\w-])--[a-z][\w-]*", code)
    }
    assert named <= flags


def test_every_answer_to_a_question_is_run() -> None:
    blocks = pages.blocks((DOCS / "faq.md").read_text())
    assert [block for block in blocks if "example" in block.words] == []


def test_every_command_of_cornctl_is_run() -> None:
    (commands,) = (
        action.choices
        for action in cornctl.parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    blocks = pages.blocks((DOCS / "control.md").read_text())
    lines = [line for each in blocks if "run" in each.words for line, _ in each.commands]
    run = {word for line in lines if "cornctl" in line for word in line.split()}
    assert commands.keys() <= run


def test_every_atom_is_described() -> None:
    rows = re.findall(
        r"^\| `%\((.+?)\)s` \|", (DOCS / "logging.md").read_text(), flags=re.MULTILINE
    )
    assert set(rows) == {*SOURCES, "{name}i", "{name}o", "{name}e"}


# -- other programs' configurations --------------------------------------------------


def block_of(page: str, file: str) -> str:
    (text,) = [b.text for b in pages.blocks((DOCS / page).read_text()) if b.file == file]
    return text


@pytest.fixture
def front(serve: Serve, tmp_path: Path) -> Iterator[Address]:
    """The nginx of the page, with a server behind it, moved into a directory of ours."""
    back = f"unix:{tmp_path}/corn.sock"
    serve("probe:app", bind=(back,))
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "site.css").write_text("body {}")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    own = "".join(f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in kinds)
    text = block_of("deploying.md", "nginx.conf")
    for shown, ours in {
        "unix:/run/shop/corn.sock": back,
        "/srv/shop/static": f"{tmp_path}/static",
        "listen 80": f"listen unix:{tmp_path}/front.sock",
        "http {\n": f"http {{\naccess_log off;\n{own}",
    }.items():
        assert shown in text
        text = text.replace(shown, ours)
    (tmp_path / "nginx.conf").write_text(text)
    foreground = f"daemon off; master_process off; pid {tmp_path}/pid; error_log {tmp_path}/log;"
    where = ("-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"))
    command = ["nginx", *where, "-g", foreground]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as nginx:
        try:
            address = Address(f"unix:{tmp_path}/front.sock")
            wait_for(lambda: listens(address), "nginx to listen")
            yield address
        finally:
            nginx.terminate()


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_nginx_configuration(front: Address) -> None:
    shop = {"Host": "shop.example.com", "X-Forwarded-Proto": "https", "X-Forwarded-For": "x"}
    assert front.request("GET", "/site.css", headers=shop).text == "body {}"
    wsgi = json.loads(front.request("GET", "/facts", headers=shop).text)["wsgi"]
    assert wsgi["HTTP_HOST"] == "shop.example.com"
    assert wsgi["HTTP_X_FORWARDED_FOR"].startswith("x, ")
    assert wsgi["wsgi.url_scheme"] == "http"  # nginx's word, not the client's
    assert front.raw(b"GET / HTTP/1.1\r\nHost: elsewhere.example.com\r\n\r\n") == b""


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_unit(tmp_path: Path) -> None:
    text = block_of("deploying.md", "corn.service")
    # The paths are of a machine on which the application is installed.
    text = text.replace("/srv/shop/.venv/bin/corn", str(Path(sys.executable).with_name("corn")))
    text = re.sub(r"^User=.*\n", "", text, flags=re.MULTILINE)
    unit = tmp_path / "corn.service"
    unit.write_text(text.replace("/srv/shop", str(tmp_path)))
    outcome = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    complaints = [line for line in outcome.stderr.splitlines() if "corn.service" in line]
    assert complaints == []


# The first builder resolves everything and writes nothing, which takes a third of the time. The
# second highlights and writes the pages too.
@pytest.mark.parametrize("builder", ["dummy", pytest.param("html", marks=pytest.mark.slow)])
def test_sphinx_builds_without_warnings(tmp_path: Path, builder: str) -> None:
    pytest.importorskip("myst_parser")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", builder, str(DOCS), str(tmp_path)]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert outcome.returncode == 0, outcome.stderr
    assert (tmp_path / "reference" / "settings.html").exists() == (builder == "html")
