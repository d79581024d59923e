"""The sources together: which one wins, and what is said of each."""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from corn_core.config import Config
from corn_core.errors import ConfigError
from corn_core.findings import Finding, Review
from corn_core.framework import Framework
from corn_core.settings.sources import Resolution, resolve
from tests.unit.settings.declared import registry


class Sources:
    """The sources of one configuration, each to be filled in or left empty."""

    def __init__(self, cwd: Path) -> None:
        self.cwd = cwd
        self.argv: list[str] = []
        self.environ: dict[str, str] = {}
        self.framework: dict[str, object] = {}

    def file(self, source: str, name: str = "corn.conf.py") -> None:
        (self.cwd / name).write_text(source)

    def resolve(self) -> Resolution:
        def explain(option: str, value: object) -> list[Finding]:
            needs = Finding("error", f"{option} needs corn-statsd")
            known = option == "statsd_host" and isinstance(value, str | list)
            return [needs] if known else []

        cwd = str(self.cwd)
        found = Framework(self.framework) if self.framework else None
        return resolve(
            registry(), self.argv, self.environ, cwd, lambda config: found, Review(explain)
        )

    def refusal(self) -> str:
        with pytest.raises(ConfigError) as caught:
            self.resolve()
        assert "\n" not in str(caught.value)
        return str(caught.value)


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    return Sources(tmp_path)


LEVELS = ("default", "environment", "framework", "file", "cmd_args", "flag")
"""From the least authoritative to the most."""


def fill(sources: Sources, level: str) -> str:
    """Let one source set workers to its place in LEVELS, plus one; returns the origin's text."""
    number = LEVELS.index(level) + 1
    if level == "environment":
        sources.environ["WEB_CONCURRENCY"] = str(number)
        return "environment variable WEB_CONCURRENCY"
    if level == "framework":
        sources.framework["workers"] = str(number)
        return "framework settings"
    if level == "file":
        sources.file(f"\nworkers = {number}")
        return "corn.conf.py line 2"
    if level == "cmd_args":
        sources.environ["CORN_CMD_ARGS"] = f"--workers {number}"
        return "CORN_CMD_ARGS --workers"
    if level == "flag":
        sources.argv = ["-w", str(number)]
        return "flag -w"
    return "default"


ALL_SETS = [
    chosen for size in range(len(LEVELS)) for chosen in itertools.combinations(LEVELS[1:], size + 1)
]


@pytest.mark.parametrize("chosen", [(), *ALL_SETS], ids="+".join)
def test_most_authoritative_source_wins(sources: Sources, chosen: tuple[str, ...]) -> None:
    origins = [fill(sources, level) for level in ("default", *chosen)]
    config = sources.resolve().config
    top = ("default", *chosen)[-1]
    assert config.workers == LEVELS.index(top) + 1
    assert config.origin("workers").kind == top
    assert str(config.origin("workers")) == origins[-1]


def test_list_of_a_flag_replaces_the_list_of_a_file(sources: Sources) -> None:
    sources.file("bind = ['a', 'b']")
    sources.environ = {"CORN_CMD_ARGS": "-b c -b d", "PORT": "80"}
    assert sources.resolve().config.bind == ["c", "d"]
    sources.argv = ["-b", "e"]
    assert sources.resolve().config.bind == ["e"]


def test_every_setting_has_a_value_and_an_origin(sources: Sources) -> None:
    config = sources.resolve().config
    assert config.names() == [each.name for each in registry()]
    assert {str(config.origin(name)) for name in config.names()} == {"default"}


@pytest.mark.parametrize(
    ("variable", "argv", "read"),
    [
        ("", [], None),
        ("-c one.py", [], "one.py"),
        ("", ["-c", "two.py"], "two.py"),
        ("-c one.py", ["--config=two.py"], "two.py"),
        ("-c one.py", ["-c", ""], None),
        ("", ["-c", "file:two.py"], "file:two.py"),
    ],
)
def test_which_config_file_is_read(
    sources: Sources, variable: str, argv: list[str], read: str | None
) -> None:
    sources.file("workers = 11", "one.py")
    sources.file("workers = 12", "two.py")
    sources.environ["CORN_CMD_ARGS"] = variable
    sources.argv = argv
    resolution = sources.resolve()
    assert resolution.config.workers == {None: 1, "one.py": 11}.get(read, 12)


def test_default_config_file_is_read_if_no_other_is_named(sources: Sources) -> None:
    sources.file("workers = 10")
    sources.file("workers = 11", "one.py")
    assert sources.resolve().config.workers == 10
    sources.environ["CORN_CMD_ARGS"] = "-c one.py"
    assert sources.resolve().config.workers == 11
    sources.argv = ["-c", ""]
    assert sources.resolve().config.workers == 1


def test_missing_config_file_is_named_with_who_named_it(sources: Sources) -> None:
    sources.environ["CORN_CMD_ARGS"] = "-c nowhere.py"
    assert sources.refusal() == "config file 'nowhere.py' does not exist (CORN_CMD_ARGS -c)"


@pytest.mark.parametrize(
    ("name", "warned"), [("conf.py", False), ("conf.cfg", True), ("conf", True)]
)
def test_odd_name_of_a_config_file_is_a_warning(sources: Sources, name: str, warned: bool) -> None:
    sources.file("workers = 3", name)
    sources.argv = ["-c", name]
    resolution = sources.resolve()
    assert resolution.config.workers == 3
    warning = f"config file {name!r} is read as Python, though not named .py"
    assert resolution.warnings == ([warning] if warned else [])


def test_foreign_variable_is_used_with_a_warning(sources: Sources) -> None:
    sources.environ["GUNICORN_CMD_ARGS"] = "-w 7"
    resolution = sources.resolve()
    assert resolution.config.workers == 7
    assert str(resolution.config.origin("workers")) == "GUNICORN_CMD_ARGS -w"
    assert resolution.warnings == ["GUNICORN_CMD_ARGS is used because CORN_CMD_ARGS is not set"]
    sources.environ["CORN_CMD_ARGS"] = "-w 8"
    assert sources.resolve().config.workers == 8
    assert sources.resolve().warnings == []


@pytest.mark.parametrize(
    ("argv", "variable", "source", "app", "origin"),
    [
        (["a:b"], "", "", "a:b", "command line"),
        ([], "", "wsgi_app = 'c:d'", "c:d", "corn.conf.py line 1"),
        (["a:b"], "", "wsgi_app = 'c:d'", "a:b", "command line"),
        ([], "e:f", "wsgi_app = 'c:d'", "e:f", "CORN_CMD_ARGS"),
        (["a:b"], "e:f", "", "a:b", "command line"),
        ([], "", "", None, "default"),
        (["  a:b "], "", "", "a:b", "command line"),
    ],
)
def test_which_application_is_served(
    sources: Sources, argv: list[str], variable: str, source: str, app: str | None, origin: str
) -> None:
    sources.argv = argv
    sources.environ["CORN_CMD_ARGS"] = variable
    sources.file(source)
    resolution = sources.resolve()
    assert resolution.config.wsgi_app == app
    assert str(resolution.config.origin("wsgi_app")) == origin


ADVICE = "quote an argument with spaces, and give flags such as --reload no value"


@pytest.mark.parametrize(
    ("argv", "variable", "says"),
    [
        (["a:b", "x"], "", f"unexpected argument 'x' after the application 'a:b'; {ADVICE}"),
        (
            ["a:b", "--", "-y"],
            "",
            f"unexpected argument '-y' after the application 'a:b'; {ADVICE}",
        ),
        (
            [],
            "--preload true a:b",
            f"unexpected argument 'a:b' after the application 'true'; {ADVICE} (CORN_CMD_ARGS)",
        ),
    ],
)
def test_only_one_application_may_be_named(
    sources: Sources, argv: list[str], variable: str, says: str
) -> None:
    sources.argv = argv
    sources.environ["CORN_CMD_ARGS"] = variable
    with pytest.raises(ConfigError) as caught:
        sources.resolve()
    assert str(caught.value) == says


@pytest.mark.parametrize(
    ("level", "where"),
    [
        ("environment", "(environment variable WEB_CONCURRENCY)"),
        ("framework", "(framework settings)"),
        ("file", "(corn.conf.py line 1)"),
        ("cmd_args", "(CORN_CMD_ARGS -w)"),
        ("flag", "(flag --workers)"),
    ],
)
def test_bad_value_is_located(sources: Sources, level: str, where: str) -> None:
    if level == "environment":
        sources.environ["WEB_CONCURRENCY"] = "many"
    elif level == "framework":
        sources.framework["workers"] = "many"
    elif level == "file":
        sources.file("workers = 'many'")
    elif level == "cmd_args":
        sources.environ["CORN_CMD_ARGS"] = "-w many"
    else:
        sources.argv = ["--workers", "many"]
    assert sources.refusal() == (
        f"workers: expected a whole number of at least 1, got 'many' {where}"
    )


@pytest.mark.parametrize(
    ("source", "warnings"),
    [
        ("worker = 4", ["'worker' is neither a setting nor a hook; did you mean 'workers'?"
                        " (corn.conf.py line 1)"]),
        ("\ndef pre_frok(a, b): pass", ["'pre_frok' is neither a setting nor a hook; did you mean"
                                        " 'pre_fork'? (corn.conf.py line 2)"]),
        ("config = 'x.py'", ["config has no effect in a config file (corn.conf.py line 1)"]),
        ("check_config = True", ["check_config has no effect in a config file"
                                 " (corn.conf.py line 1)"]),
        ("config = None\ncheck_config = False", []),
        ("def corn_settings(): return []", ["corn_settings has no effect in a config file"
                                            " (corn.conf.py line 1)"]),
        ("conf = {}", []),  # like config, which would have no effect
        ("import os as worker", []),
        ("WORKER = 4", []),
        ("_worker = 4", []),
        ("Worker = 4", []),
        ("helper = 4\ndef another(): pass", []),
        ("class worker_clas: pass", ["'worker_clas' is neither a setting nor a hook; did you mean"
                                     " 'worker_class'? (corn.conf.py line 1)"]),
    ],
)  # fmt: skip
def test_names_in_a_file_that_are_no_settings(
    sources: Sources, source: str, warnings: list[str]
) -> None:
    sources.file(source)
    assert sources.resolve().warnings == warnings


def test_config_in_a_file_reads_no_other_file(sources: Sources) -> None:
    sources.file("workers = 9", "other.py")
    sources.file("config = 'other.py'")
    resolution = sources.resolve()
    assert resolution.config.workers == 1
    assert resolution.config.config is None


@pytest.mark.parametrize("value", ["'h:1'", "['h']", "''"])
def test_setting_of_a_plugin_that_is_not_there(sources: Sources, value: str) -> None:
    sources.file(f"\n\nstatsd_host = {value}")
    assert sources.refusal() == "statsd_host needs corn-statsd (corn.conf.py line 3)"


@pytest.mark.parametrize("value", ["None", "lambda: 1", "__import__('os')"])
def test_helper_named_as_a_setting_of_a_plugin_that_is_not_there(
    sources: Sources, value: str
) -> None:
    sources.file(f"statsd_host = {value}")
    assert sources.resolve().warnings == []


def test_class_in_a_file(sources: Sources) -> None:
    sources.file("class Mine: pass\nworker_class = Mine")
    found: Any = sources.resolve().config.worker_class
    assert found.__name__ == "Mine"


def test_hooks_of_a_file(sources: Sources) -> None:
    sources.file("def pre_fork(a, b): return a + b\n\ndef on_exit(x): pass\nwhen_ready = None")
    hooks = sources.resolve().hooks
    assert list(hooks) == ["pre_fork", "on_exit"]
    assert hooks["pre_fork"].function(1, 2) == 3
    assert hooks["pre_fork"].origin == "corn.conf.py line 1"


@pytest.mark.parametrize("path", ["hook_module.nested.go", "hook_module.nested:go"])
def test_dotted_hooks(sources: Sources, path: str) -> None:
    (sources.cwd / "hook_module").mkdir()
    (sources.cwd / "hook_module" / "nested.py").write_text("def go(server): return 'gone'")
    sources.framework["on_exit"] = path
    try:
        hook = sources.resolve().hooks["on_exit"]
        assert hook.function(None) == "gone"
        assert hook.origin == "framework settings"
    finally:
        for name in ("hook_module", "hook_module.nested"):
            sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("3", "on_exit: expected a function, or the dotted name of one, got 3"
              " (corn.conf.py line 1)"),
        ("'os.sep'", "on_exit: expected a function, or the dotted name of one, got '/'"
                     " (corn.conf.py line 1)"),
        ("'no_such.f'", "on_exit: 'no_such.f': ModuleNotFoundError: No module named 'no_such'"
                        " (corn.conf.py line 1)"),
        ("'os.no_such'", "on_exit: 'os.no_such': AttributeError: module 'os' has no attribute"
                         " 'no_such' (corn.conf.py line 1)"),
        ("'nodot'", "on_exit: expected a function, or the dotted name of one, got 'nodot'"
                    " (corn.conf.py line 1)"),
    ],
)  # fmt: skip
def test_bad_hooks(sources: Sources, value: str, message: str) -> None:
    sources.file(f"on_exit = {value}")
    assert sources.refusal() == message


def test_dotted_hook_whose_module_exits_is_a_fault(sources: Sources) -> None:
    sources.file("raise SystemExit(3)", "hook_that_exits.py")
    sources.file("on_exit = 'hook_that_exits.go'")
    assert sources.refusal() == (
        "on_exit: 'hook_that_exits.go': SystemExit: 3 (corn.conf.py line 1)"
    )


def test_hook_of_a_file_beats_the_frameworks(sources: Sources) -> None:
    sources.framework["on_exit"] = "os.getpid"
    sources.file("def on_exit(server): return 'file'")
    assert sources.resolve().hooks["on_exit"].function(None) == "file"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wrkers", "there is no setting 'wrkers'; did you mean 'workers'? (framework settings)"),
        ("pre_frok", "there is no setting 'pre_frok'; did you mean 'pre_fork'?"
                     " (framework settings)"),
        ("nothing_like_it", "there is no setting 'nothing_like_it' (framework settings)"),
        ("statsd_host", "statsd_host needs corn-statsd (framework settings)"),
        ("config", "config can only be set by -c, --config (framework settings)"),
    ],
)  # fmt: skip
def test_a_framework_sets_only_what_there_is(sources: Sources, name: str, message: str) -> None:
    sources.framework[name] = "x"
    assert sources.refusal() == message


def test_a_framework_is_told_what_the_other_sources_come_to(sources: Sources) -> None:
    sources.file("workers = 7")
    sources.argv = ["--bind", "x"]
    told: list[tuple[int, list[str]]] = []

    def ask(config: Config) -> Framework:
        told.append((config.workers, config.bind))
        return Framework({"workers": "9", "bind": "y"}, warnings=("mind",))

    resolution = resolve(registry(), sources.argv, {}, str(sources.cwd), ask)
    assert told == [(7, ["x"])]
    assert (resolution.config.workers, resolution.config.bind) == (7, ["x"])
    assert resolution.warnings == ["mind"]


def test_a_config_file_is_executed_once_beside_a_framework(sources: Sources) -> None:
    sources.file("with open(__file__ + '.count', 'a') as file:\n    file.write('.')")
    sources.framework["workers"] = "3"
    assert sources.resolve().config.workers == 3
    assert (sources.cwd / "corn.conf.py.count").read_text() == "."


def test_hooks_of_a_framework_may_be_in_its_directory(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "beside_the_ini.py").write_text("def go(server): return 'gone'")
    found = Framework({"on_exit": "beside_the_ini.go"}, directory=str(tmp_path / "elsewhere"))
    try:
        hooks = resolve(registry(), [], {}, str(sources.cwd), lambda config: found).hooks
        assert hooks["on_exit"].function(None) == "gone"
    finally:
        sys.modules.pop("beside_the_ini", None)


def test_resolving_has_no_side_effects(sources: Sources) -> None:
    sources.file("workers = 2\nimport json\ndef on_exit(server): pass")
    sources.argv = ["a:b", "-b", "x"]
    before = os.getcwd(), dict(os.environ), list(sys.path), list(sources.argv)
    first, second = sources.resolve(), sources.resolve()
    assert (os.getcwd(), dict(os.environ), list(sys.path), list(sources.argv)) == before
    assert first.config.as_dict() == second.config.as_dict()


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("preload = True", "preload_app"),
        ("no_sendfile = True", "sendfile"),
        ("worker = 3", "workers"),
        ("help = 'a word that files use'", None),
    ],
)
def test_names_of_flags_are_known(sources: Sources, line: str, meant: str | None) -> None:
    sources.file(line)
    name = line.split()[0]
    hint = f"did you mean {meant!r}? (corn.conf.py line 1)"
    text = f"{name!r} is neither a setting nor a hook; {hint}"
    assert sources.resolve().warnings == ([text] if meant else [])


@pytest.mark.parametrize("argv", [[], ["-c", "one.py"], ["--config="]])
def test_config_file_of_another_server(sources: Sources, argv: list[str]) -> None:
    sources.file("workers = 2", "gunicorn.conf.py")
    sources.file("workers = 3", "one.py")
    sources.argv = argv
    said = sources.resolve().warnings
    text = "gunicorn.conf.py is not read; corn -c gunicorn.conf.py reads it"
    assert said == ([] if argv else [text])
    sources.file("workers = 3")
    assert sources.resolve().warnings == []
