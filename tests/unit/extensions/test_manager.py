"""Finding, loading and validate plugins."""

from __future__ import annotations

import sys
from collections.abc import Collection
from types import ModuleType
from typing import Any

import pytest

from corn_core import hookimpl
from corn_core.errors import ConfigError, ExtensionError
from corn_core.extensions import hints
from corn_core.extensions.manager import Plugins, load_plugins
from corn_core.extensions.positional import CONFIG_FILE
from corn_core.settings.registry import Registry
from tests.unit.extensions.conftest import Site

GOOD = """
from corn_core import Setting, hookimpl
from corn_core.setting import string

@hookimpl
def post_fork(server, worker):
    worker.append("good")

@hookimpl
def corn_settings():
    return [Setting("good_host", "Good", string, "", "A host.", flags=("--good-host",))]
"""


def call_post_fork(plugins: Plugins) -> list[str]:
    """Return the plugins that were called, in order."""
    called: list[str] = []
    plugins.hooks.call("post_fork", server=None, worker=called)
    return called


def test_installed_plugin_is_loaded_and_called(site: Site) -> None:
    site.plugin("good", GOOD)
    plugins = load_plugins()
    assert call_post_fork(plugins) == ["good"]
    assert [(owner, each.name) for owner, each in plugins.settings()] == [("good", "good_host")]
    assert plugins.failures == []
    assert plugins.warnings == []


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("assert 1 == 2, 'two\\nlines'", "AssertionError: two lines"),
        ("raise SystemExit(7)", "SystemExit: 7"),
        ("def f(:", "SyntaxError: "),
    ],
)
def test_plugin_that_cannot_be_imported_is_left_out(site: Site, source: str, reason: str) -> None:
    site.plugin("bad", source, version="0.7")
    site.plugin("good", GOOD)
    plugins = load_plugins()
    assert call_post_fork(plugins) == ["good"]
    [failure] = plugins.failures
    assert failure.reason.startswith(reason)
    assert str(failure) == (
        f"plugin 'bad' (corn-bad 0.7) could not be loaded: {failure.reason};"
        " the server runs without it"
    )


def test_entry_point_of_a_missing_attribute_is_left_out(site: Site) -> None:
    site.install("corn-x", {"corn.plugins": {"x": "corn_x:missing"}}, {"corn_x": ""})
    [failure] = load_plugins().failures
    assert "missing" in failure.reason


def test_core_that_cannot_be_imported_is_an_error(site: Site) -> None:
    site.install("corn-core", {"corn.plugins": {"core": "no_such_module"}})
    with pytest.raises(ExtensionError, match="the core cannot be loaded: ModuleNotFoundError"):
        load_plugins()


def test_disabled_plugin_is_not_even_imported(site: Site) -> None:
    site.plugin("bad", "raise RuntimeError")
    site.plugin("good", GOOD)
    plugins = load_plugins({"bad"})
    assert plugins.failures == []
    assert call_post_fork(plugins) == ["good"]
    assert "corn_bad_plugin" not in sys.modules


def test_disabling_what_is_not_installed_is_noted(site: Site) -> None:
    site.plugin("statsd", "")
    plugins = load_plugins(["statsdd", "core"])
    assert plugins.warnings == [
        "the core's own plugin cannot be disabled",
        "plugin 'statsdd' is disabled but not installed; did you mean 'statsd'?",
    ]


def test_core_cannot_be_disabled(site: Site) -> None:
    site.install("corn-core", {"corn.plugins": {"core": "the_core"}}, {"the_core": GOOD})
    assert call_post_fork(load_plugins(["core"])) == ["good"]


def test_second_plugin_of_a_name_is_left_out(site: Site) -> None:
    site.install("first", {"corn.plugins": {"same": "first"}}, {"first": GOOD})
    site.install("second", {"corn.plugins": {"same": "second"}}, {"second": GOOD})
    plugins = load_plugins()
    assert len(call_post_fork(plugins)) == 1
    [failure] = plugins.failures
    loaded = {"first", "second"} - {failure.entry_point.value}
    assert failure.reason == f"its name is taken by {loaded.pop()} 1.2"


HOOKIMPL = "import corn_core\n"
WRONG_HOOKS = [
    ("@corn_core.hookimpl\ndef pre_frok(server): pass", "there is no hook 'pre_frok'; did you"
     " mean 'pre_fork'?"),
    ("@corn_core.hookimpl\ndef xyzzy(): pass", "there is no hook 'xyzzy'"),
    ("@corn_core.hookimpl(wrapper=True)\ndef pre_fork(server):\n  return (yield)", "hook pre_fork"
     " is a wrapper, which corn does not call, because each implementation is guarded on its own;"
     " make it a plain function"),
    ("@corn_core.hookimpl(hookwrapper=True)\ndef pre_fork(server):\n  yield", "hook pre_fork is a"
     " wrapper, which corn does not call, because each implementation is guarded on its own;"
     " make it a plain function"),
    ("@corn_core.hookimpl\nasync def pre_fork(server): pass", "hook pre_fork is an async function,"
     " which corn does not await"),
    ("@corn_core.hookimpl\ndef pre_fork(sever): pass", "hook pre_fork has no argument 'sever', only"
     " server, worker"),
    ("@corn_core.hookimpl\ndef pre_fork(*, server): pass", "argument 'server' of hook pre_fork must"
     " not be keyword-only"),
    ("@corn_core.hookimpl\ndef corn_settings(config): pass", "hook corn_settings has no argument"
     " 'config', only none at all"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "fault"), WRONG_HOOKS)
def test_wrong_hook_is_an_error_that_names_the_plugin(site: Site, source: str, fault: str) -> None:
    site.plugin("wrong", HOOKIMPL + source, version="3")
    with pytest.raises(ExtensionError) as caught:
        load_plugins()
    assert str(caught.value) == f"plugin 'wrong' (corn-wrong 3): {fault}"
    assert caught.value.exit_status == 1


@pytest.mark.parametrize(("source", "fault"), WRONG_HOOKS)
def test_wrong_hook_is_noted_when_not_strict(site: Site, source: str, fault: str) -> None:
    site.plugin("wrong", HOOKIMPL + source)
    site.plugin("good", GOOD)
    plugins = load_plugins(strict=False)
    [failure] = plugins.failures
    assert fault in failure.reason
    assert not plugins.manager.has_plugin("wrong")
    assert call_post_fork(plugins) == ["good"]


def test_class_in_the_place_of_an_object_is_called_that(site: Site) -> None:
    source = "class Mine:\n  @corn_core.hookimpl\n  def pre_fork(self, server): pass\n"
    site.install("corn-x", {"corn.plugins": {"x": "x:Mine"}}, {"x": HOOKIMPL + source})
    with pytest.raises(ExtensionError) as caught:
        load_plugins()
    assert str(caught.value) == (
        "plugin 'x' (corn-x 1.2): Mine is a class; register an object of that class"
    )


def test_hook_that_is_not_marked_is_noted(site: Site) -> None:
    site.plugin("bare", "def when_ready(server): pass\ndef pre_fork_all(server): pass\n")
    site.plugin("good", GOOD)
    # What a plugin imports under the name of a hook is not its own, nor is what is not a function.
    site.plugin("borrower", "from corn_good_plugin import post_fork\non_exit = None\n")
    assert load_plugins().warnings == [
        "plugin 'bare' (corn-bare 1.2): when_ready is not marked with hookimpl, so it is never"
        " called"
    ]


def test_optional_hook_of_another_version_is_no_error(site: Site) -> None:
    source = "@corn_core.hookimpl(optionalhook=True)\ndef hook_of_tomorrow(): pass"
    site.plugin("early", HOOKIMPL + source)
    assert load_plugins().manager.has_plugin("early")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return ['workers']", "corn_settings returned 'workers', not a Setting"),
        (
            "from corn_core import Setting\n  return Setting('a', 'A', str, '', 'An a.')",
            "corn_settings returned a Setting, not a tuple of them",
        ),
        ("return 3", "corn_settings failed: TypeError: 'int' object is not iterable"),
        ("yield 1 / 0", "corn_settings failed: ZeroDivisionError: division by zero"),
    ],
)
def test_bad_settings_are_an_error_that_names_the_plugin(
    site: Site, body: str, message: str
) -> None:
    site.plugin("bad", f"{HOOKIMPL}@corn_core.hookimpl\ndef corn_settings():\n  {body}\n")
    with pytest.raises(ExtensionError) as caught:
        list(load_plugins().settings())
    assert str(caught.value) == f"plugin 'bad' (corn-bad 1.2): {message}"


def test_two_plugins_with_one_setting_are_an_error_that_names_both(site: Site) -> None:
    site.plugin("one", GOOD)
    site.plugin("two", GOOD)
    registry = Registry()
    with pytest.raises(ConfigError, match=r"plugin '(one|two)' .*plugin '(?!\1)(one|two)'"):
        for owner, setting in load_plugins().settings():
            registry.add(setting, owner)


def module(name: str, *functions: Any) -> ModuleType:
    made = ModuleType(name)
    for function in functions:
        setattr(made, function.__name__, hookimpl(function))
    return made


def test_settings_keep_the_order_of_registration(site: Site) -> None:
    plugins = Plugins()
    for name in ("core", "b", "a"):
        source = GOOD.replace("good_host", f"{name}_host")
        plugin = ModuleType(name)
        exec(source, vars(plugin))
        plugins.register(plugin, name)
    assert [owner for owner, _ in plugins.settings()] == ["core", "b", "a"]


def test_the_core_comes_first_and_the_others_by_name(site: Site) -> None:
    for name in ("zoo", "ant", "bee"):
        site.plugin(name, GOOD.replace("good", name))
    site.install("corn-core", {"corn.plugins": {"core": "corn_core.builtin"}})
    owners = list(dict.fromkeys(owner for owner, _ in load_plugins().settings()))
    assert owners == ["core", "ant", "bee", "zoo"]


def test_name_or_plugin_cannot_be_registered_twice() -> None:
    plugins = Plugins()
    plugin = ModuleType("x")
    plugins.register(plugin, "x")
    with pytest.raises(ExtensionError, match="plugin 'y': registered already, as 'x'"):
        plugins.register(plugin, "y")
    with pytest.raises(ExtensionError, match="plugin 'x': registered already"):
        plugins.register(ModuleType("z"), "x")


def test_config_file_hooks_replace_those_of_the_last_reading() -> None:
    plugins = Plugins()
    plugins.register_config_hooks({"post_fork": (lambda s, w: w.append("old"), "")})
    assert call_post_fork(plugins) == ["old"]
    plugins.register_config_hooks({"post_fork": (lambda s, w: w.append("new"), "")})
    assert call_post_fork(plugins) == ["new"]
    plugins.register_config_hooks({})
    assert call_post_fork(plugins) == []


def test_bad_config_file_hook_leaves_the_old_ones() -> None:
    plugins = Plugins()
    plugins.register_config_hooks({"post_fork": (lambda s, w: w.append("old"), "")})
    with pytest.raises(ExtensionError):
        plugins.register_config_hooks({"post_fork": (lambda s: None, "")})
    assert call_post_fork(plugins) == ["old"]


def test_config_file_is_called_before_plugins() -> None:
    plugins = Plugins()

    def post_fork(worker: list[str]) -> None:
        worker.append("plugin")

    plugins.register(module("p", post_fork), "p")
    plugins.register_config_hooks({"post_fork": (lambda s, w: w.append(CONFIG_FILE), "")})
    assert call_post_fork(plugins) == [CONFIG_FILE, "plugin"]


INSTRUMENT = """
from corn_core import hookimpl

class Instrument:
    def __init__(self, name):
        self.name = name

    @hookimpl
    def post_fork(self, server, worker):
        worker.append(self.name)

@hookimpl
def corn_instruments(config):
    return map(Instrument, config)
"""


def test_instruments_replace_those_of_the_last_configuration(site: Site) -> None:
    site.plugin("band", INSTRUMENT)
    site.plugin("good", GOOD)
    plugins = load_plugins()
    assert call_post_fork(plugins) == ["good"]
    plugins.register_instruments(["drum", "flute"])
    from_file = {"post_fork": (lambda server, worker: worker.append("config"), "corn.conf.py")}
    plugins.register_config_hooks(from_file)
    assert call_post_fork(plugins) == ["config", "flute", "drum", "good"]
    plugins.register_instruments(["horn"])
    assert sorted(call_post_fork(plugins)) == ["config", "good", "horn"]
    plugins.register_instruments([])
    assert call_post_fork(plugins) == ["config", "good"]


def test_an_instrument_with_a_wrong_hook_is_an_error(site: Site) -> None:
    site.plugin("band", INSTRUMENT.replace("def post_fork", "def post_frok"))
    plugins = load_plugins()
    with pytest.raises(ExtensionError, match=r"'band:1'.*post_fork"):
        plugins.register_instruments(["drum"])


LOG_HANDLERS = f"""
import logging
{HOOKIMPL}
@corn_core.hookimpl
def corn_log_handlers(config, log):
    return [config or logging.NullHandler(), *map(logging.StreamHandler, log)]
"""


def test_log_handlers(site: Site) -> None:
    site.plugin("journal", LOG_HANDLERS)
    plugins = load_plugins()
    kinds = [type(each).__name__ for each in plugins.log_handlers(None, "xx")]
    assert kinds == ["NullHandler", "StreamHandler", "StreamHandler"]
    with pytest.raises(ExtensionError) as caught:
        plugins.log_handlers("journal", "error")
    assert str(caught.value) == (
        "plugin 'journal' (corn-journal 1.2): corn_log_handlers returned 'journal', not a"
        " logging.Handler"
    )


def test_instrument_that_is_not_in_a_list_is_an_error(site: Site) -> None:
    site.plugin("band", INSTRUMENT.replace("map(Instrument, config)", "Instrument('drum')"))
    with pytest.raises(ExtensionError) as caught:
        load_plugins().register_instruments([])
    assert str(caught.value) == (
        "plugin 'band' (corn-band 1.2): corn_instruments failed: TypeError:"
        " 'Instrument' object is not iterable"
    )


def explained(option: str, disabled: Collection[str] = ()) -> list[str]:
    return [str(finding) for finding in load_plugins(disabled).explain(option, "x")]


def test_option_of_a_plugin_that_is_not_installed(site: Site) -> None:
    assert explained("--statsd-host") == [
        "--statsd-host needs the plugin corn-statsd, which is not installed;"
        " pip install corn-statsd"
    ]


def test_setting_that_is_off_needs_no_plugin(site: Site) -> None:
    plugins = load_plugins()
    assert [*plugins.explain("syslog", False), *plugins.explain("statsd_host", None)] == []
    (finding,) = plugins.explain("--log-syslog", "")
    assert str(finding) == (
        "--log-syslog needs the plugin corn-syslog, which is not installed; pip install corn-syslog"
    )


def test_option_of_a_plugin_that_is_disabled(site: Site) -> None:
    site.plugin("statsd", "")
    assert explained("statsd_host", {"statsd"}) == [
        "statsd_host needs the plugin corn-statsd, which is disabled by --disable-plugin or"
        " CORN_DISABLE_PLUGINS"
    ]


def test_option_of_a_plugin_that_could_not_be_loaded(site: Site) -> None:
    site.plugin("statsd", "import no_such_module")
    assert explained("--statsd-host") == [
        "--statsd-host needs the plugin corn-statsd, which could not be loaded:"
        " ModuleNotFoundError: No module named 'no_such_module'"
    ]


def test_option_of_nobody_is_not_explained(site: Site) -> None:
    assert explained("--sttsd-host") == []


def test_option_of_gunicorn_names_the_plugin_that_knows_it(site: Site) -> None:
    advice = "pip install corn-gunicorn, and corn --check-config says what to do instead"
    for option in ("http_protocols", "--http-protocols"):
        assert explained(option) == [
            f"{option} is a setting of Gunicorn that corn does not have; {advice}"
        ]
    assert load_plugins().explain("control_socket_disable", False) == []


@pytest.mark.parametrize("option", sorted(hints.GUNICORN & hints.OPTIONS.keys()))
def test_option_that_gunicorn_and_a_plugin_have_is_the_plugins(site: Site, option: str) -> None:
    site.plugin(hints.OPTIONS[option].removeprefix("corn-"), "")
    assert explained(option) == []


def test_explanations_of_all_plugins(site: Site) -> None:
    for name in ("one", "two"):
        site.plugin(
            name,
            f"""
from corn_core import hookimpl
from corn_core.findings import Finding

@hookimpl
def corn_explain(name, value):
    return [Finding("note", f"{name}: {{name}} = {{value}}")]
""",
        )
    assert explained("depth") == ["two: depth = x", "one: depth = x"]


ORDERED = """
from corn_core import hookimpl

class Instrument:
    @hookimpl
    def post_fork(self, worker):
        worker.append("{name}'s instrument")

@hookimpl
def post_fork(worker):
    worker.append("{name}")

@hookimpl
def corn_instruments(config):
    return [Instrument()]
"""


def test_order_of_calls(site: Site) -> None:
    """The config file first, then instruments, then plugins, from the last name to the first."""
    for name in ("b", "a"):
        site.plugin(name, ORDERED.format(name=name))
    plugins = load_plugins()
    for _ in range(2):  # a reload changes nothing
        plugins.register_instruments(None)
        function = lambda server, worker: worker.append("config")  # noqa: E731 - as in a file
        plugins.register_config_hooks({"post_fork": (function, "here")})
        order = ["config", "a's instrument", "b's instrument", "b", "a"]
        assert call_post_fork(plugins) == order
