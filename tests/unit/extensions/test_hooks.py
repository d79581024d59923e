"""Call hooks, and see what their failures do."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from corn_core import hookimpl
from corn_core.errors import ConfigError, HookFailed
from corn_core.extensions.manager import Plugins
from corn_core.hookspecs import HOOKS


@pytest.fixture
def plugins() -> Iterator[Plugins]:
    """Plugins with a log of their own, which caplog sees whatever becomes of corn's."""
    made = Plugins()
    made.hooks.set_logger(logging.getLogger("tests.hooks"))
    yield made


def add(plugins: Plugins, plugin: str, hook: str, function: Callable[..., Any]) -> None:
    """Register a plugin with one implementation, that of the function's own arguments."""
    module = ModuleType(plugin)
    setattr(module, hook, hookimpl(function))
    plugins.register(module, plugin)


def arguments(hook: str) -> dict[str, Any]:
    return {name: f"<{name}>" for name in HOOKS[hook].arguments}


def fail() -> None:
    raise ZeroDivisionError("on purpose")


@pytest.mark.parametrize("hook", [name for name, hook in HOOKS.items() if hook.fatal])
def test_failure_of_a_fatal_hook_is_raised(plugins: Plugins, hook: str) -> None:
    add(plugins, "broken", hook, fail)
    with pytest.raises(HookFailed) as caught:
        plugins.hooks.call(hook, **arguments(hook))
    assert (caught.value.hook, caught.value.plugin) == (hook, "broken")
    assert str(caught.value).startswith(
        f"hook {hook} of plugin broken failed: ZeroDivisionError: on purpose ({__file__} line "
    )
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def call_a_library() -> None:
    fail()


def test_fatal_failure_inside_a_library_has_the_traceback_without_our_frames(
    plugins: Plugins,
) -> None:
    add(plugins, "broken", "when_ready", call_a_library)
    with pytest.raises(HookFailed) as caught:
        plugins.hooks.call("when_ready", server="<server>")
    frames = re.findall(r"File \"(.*)\", line \d+, in (\w+)", caught.value.details)
    assert frames == [(__file__, "call_a_library"), (__file__, "fail")]
    assert caught.value.details.endswith("ZeroDivisionError: on purpose\n")


def test_fatal_failure_in_one_place_is_told_by_the_text_alone(plugins: Plugins) -> None:
    add(plugins, "broken", "when_ready", fail)
    with pytest.raises(HookFailed) as caught:
        plugins.hooks.call("when_ready", server="<server>")
    assert caught.value.details == ""


@pytest.mark.parametrize("hook", [name for name, hook in HOOKS.items() if not hook.fatal])
def test_failure_of_another_hook_is_logged(
    plugins: Plugins, hook: str, caplog: pytest.LogCaptureFixture
) -> None:
    add(plugins, "broken", hook, fail)
    assert plugins.hooks.call(hook, **arguments(hook)) == []
    [record] = caplog.records
    assert record.getMessage() == f"Hook {hook} of plugin broken failed"
    assert record.exc_info is not None
    places = [frame.name for frame in traceback.extract_tb(record.exc_info[2])]
    assert places == ["fail"]
    assert record.levelno == logging.ERROR
    assert record.exc_info and record.exc_info[0] is ZeroDivisionError


@pytest.mark.parametrize("hook", ["post_fork", "pre_fork"])
def test_failure_stops_no_other_plugin(plugins: Plugins, hook: str) -> None:
    called: list[str] = []
    add(plugins, "first", hook, lambda: called.append("first"))
    add(plugins, "broken", hook, fail)
    add(plugins, "last", hook, lambda: called.append("last"))
    try:
        plugins.hooks.call(hook, **arguments(hook))
    except HookFailed:
        assert HOOKS[hook].fatal
    assert called == ["last", "first"]


def test_plugins_that_come_and_go_are_noticed_and_others_looked_up_once(plugins: Plugins) -> None:
    add(plugins, "first", "on_tick", lambda: "first")
    assert plugins.hooks.call("on_tick", server=None) == ["first"]
    add(plugins, "second", "on_tick", lambda server: server)
    assert plugins.hooks.call("on_tick", server="second") == ["second", "first"]
    assert plugins.hooks._calls("on_tick") is plugins.hooks._calls("on_tick")
    plugins.manager.unregister(name="first")
    assert plugins.hooks.call("on_tick", server="second") == ["second"]


def test_first_of_several_fatal_failures_is_raised_and_the_others_are_logged(
    plugins: Plugins, caplog: pytest.LogCaptureFixture
) -> None:
    add(plugins, "one", "post_fork", fail)
    add(plugins, "two", "post_fork", fail)
    with pytest.raises(HookFailed, match="of plugin two failed"):
        plugins.hooks.call("post_fork", **arguments("post_fork"))
    assert [each.getMessage() for each in caplog.records] == ["Hook post_fork of plugin one failed"]


def test_error_with_an_answer_for_the_user_is_raised_as_it_is(plugins: Plugins) -> None:
    refusal = ConfigError("statsd_host: no such host")

    def corn_configured() -> None:
        raise refusal

    add(plugins, "statsd", "corn_configured", corn_configured)
    with pytest.raises(ConfigError) as caught:
        plugins.hooks.call("corn_configured", config=None)
    assert caught.value is refusal
    assert refusal.__cause__ is None


def test_order_to_quit_passes_through_a_hook_that_only_logs(plugins: Plugins) -> None:
    def pre_fork() -> None:
        raise SystemExit(5)

    add(plugins, "quits", "pre_fork", pre_fork)
    with pytest.raises(SystemExit):
        plugins.hooks.call("pre_fork", **arguments("pre_fork"))


def test_implementations_take_the_arguments_they_want_by_name(plugins: Plugins) -> None:
    add(plugins, "all", "child_exit", lambda server, worker, status: (server, worker, status))
    add(plugins, "one", "child_exit", lambda status: status)
    add(plugins, "turned", "child_exit", lambda worker, server: (worker, server))
    add(plugins, "none", "child_exit", lambda: "none")
    results = plugins.hooks.call("child_exit", server=1, worker=2, status=3)
    assert results == ["none", (2, 1), 3, (1, 2, 3)]


def test_argument_with_a_default_is_passed_if_the_hook_has_it(plugins: Plugins) -> None:
    def child_exit(server: int, status: int = 0, mine: str = "kept") -> tuple[int, int, str]:
        return server, status, mine

    add(plugins, "p", "child_exit", child_exit)
    assert plugins.hooks.call("child_exit", server=1, worker=2, status=3) == [(1, 3, "kept")]


def test_methods_of_an_object_can_be_hooks(plugins: Plugins) -> None:
    class Plugin:
        @hookimpl
        def pre_fork(self, worker: str) -> str:
            return worker

    plugins.register(Plugin(), "object")
    assert plugins.hooks.call("pre_fork", server=1, worker="w") == ["w"]


def test_results_leave_out_none_and_name_their_plugins(plugins: Plugins) -> None:
    add(plugins, "a", "corn_settings", lambda: ["a"])
    add(plugins, "b", "corn_settings", lambda: None)
    add(plugins, "c", "corn_settings", lambda: ())
    assert plugins.hooks.call("corn_settings") == [(), ["a"]]
    assert plugins.hooks.call_each("corn_settings") == [("c", ()), ("a", ["a"])]


def test_tryfirst_and_trylast_are_honoured(plugins: Plugins) -> None:
    marks: dict[str, Callable[..., Any]] = {
        "last": hookimpl(trylast=True),
        "first": hookimpl(tryfirst=True),
        "mid": hookimpl,
    }
    for name, mark in marks.items():
        module = ModuleType(name)
        module.pre_fork = mark(lambda name=name: name)  # type: ignore[attr-defined]
        plugins.register(module, name)
    assert plugins.hooks.call("pre_fork", **arguments("pre_fork")) == ["first", "mid", "last"]


def test_first_stops_at_the_first_answer(plugins: Plugins) -> None:
    called: list[str] = []
    add(plugins, "core", "corn_app_loader", lambda: called.append("core"))
    add(plugins, "answers", "corn_app_loader", lambda: "answer")
    add(plugins, "passes", "corn_app_loader", lambda: called.append("passes"))
    assert plugins.hooks.first("corn_app_loader", config=None) == "answer"
    assert called == ["passes"]


def test_first_without_an_answer_is_none(plugins: Plugins) -> None:
    assert plugins.hooks.first("corn_app_loader", config=None) is None
    add(plugins, "passes", "corn_app_loader", lambda: None)
    assert plugins.hooks.first("corn_app_loader", config=None) is None


def test_first_does_not_fall_back_on_another_plugin_after_a_failure(plugins: Plugins) -> None:
    add(plugins, "core", "corn_app_loader", lambda: "core")
    add(plugins, "broken", "corn_app_loader", fail)
    with pytest.raises(HookFailed, match="hook corn_app_loader of plugin broken failed"):
        plugins.hooks.first("corn_app_loader", config=None)


def test_hook_that_nobody_implements_binds_to_nothing(plugins: Plugins) -> None:
    assert plugins.hooks.bind("pre_request") is None


def test_bound_hook_is_called_as_any_other(
    plugins: Plugins, caplog: pytest.LogCaptureFixture
) -> None:
    add(plugins, "good", "post_request", lambda req: req)
    add(plugins, "broken", "post_request", fail)
    bound = plugins.hooks.bind("post_request")
    assert bound is not None
    assert bound(worker=1, req="r", environ={}, resp=None) == ["r"]
    assert len(caplog.records) == 1
    add(plugins, "later", "post_request", lambda req: "later")
    assert bound(worker=1, req="r", environ={}, resp=None) == ["r"]


def test_bound_fatal_hook_raises(plugins: Plugins) -> None:
    add(plugins, "broken", "pre_request", fail)
    bound = plugins.hooks.bind("pre_request")
    assert bound is not None
    with pytest.raises(HookFailed):
        bound(worker=1, req=2)


def test_failure_is_located_in_the_file_of_the_implementation(plugins: Plugins) -> None:
    def on_starting() -> None:
        logging.getLogger(3)  # type: ignore[arg-type]

    add(plugins, "p", "on_starting", on_starting)
    with pytest.raises(HookFailed) as caught:
        plugins.hooks.call("on_starting", server=None)
    line = on_starting.__code__.co_firstlineno + 1
    assert str(caught.value).endswith(f"({__file__} line {line})")


def test_chain_hands_each_what_the_one_before_returned(plugins: Plugins) -> None:
    add(plugins, "first", "corn_wrap_app", lambda app, interface: f"{interface}({app})")
    add(plugins, "silent", "corn_wrap_app", lambda app: None)
    add(plugins, "last", "corn_wrap_app", lambda app: f"outer({app})")
    wrapped = plugins.hooks.chain("corn_wrap_app", "app", "x", worker=None, interface="wsgi")
    assert wrapped == "wsgi(outer(x))"


def test_chain_ends_at_a_failure(plugins: Plugins) -> None:
    add(plugins, "broken", "corn_wrap_app", fail)
    with pytest.raises(HookFailed, match="broken"):
        plugins.hooks.chain("corn_wrap_app", "app", "x", worker=None, interface="wsgi")
