"""Functions of a config file, which are called by position."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import pytest

from corn_core.errors import ExtensionError, HookFailed
from corn_core.extensions.manager import Plugins
from corn_core.hookspecs import HOOKS

CONFIG_HOOKS = [name for name, hook in HOOKS.items() if hook.in_config_file]


def call(name: str, function: Callable[..., Any]) -> list[Any]:
    """Register the function as the config file's and call its hook with numbers."""
    plugins = Plugins()
    plugins.register_config_hooks({name: (function, "corn.conf.py line 3")})
    numbers = {argument: number for number, argument in enumerate(HOOKS[name].arguments)}
    return plugins.hooks.call(name, **numbers)


@pytest.mark.parametrize("name", CONFIG_HOOKS)
def test_arguments_may_have_any_names(name: str) -> None:
    count = len(HOOKS[name].arguments)
    names = ", ".join(f"any{number}" for number in range(count))
    function = eval(f"lambda {names}: ({names},)")
    assert call(name, function) == [tuple(range(count))]


@pytest.mark.parametrize("name", CONFIG_HOOKS)
@pytest.mark.parametrize("wrong", [-1, 1])
def test_wrong_number_of_arguments_is_refused(name: str, wrong: int) -> None:
    hook = HOOKS[name]
    count = hook.least - 1 if wrong < 0 else len(hook.arguments) + 1
    function = eval(f"lambda {', '.join(f'any{number}' for number in range(count))}: None")
    with pytest.raises(ExtensionError, match=rf"^{name}: expected a function of "):
        call(name, function)


@pytest.mark.parametrize(
    ("function", "result"),
    [
        (lambda worker, req: (worker, req), (0, 1)),
        (lambda worker, req, environ: (worker, req, environ), (0, 1, 2)),
        (lambda worker, req, environ, resp: (worker, req, environ, resp), (0, 1, 2, 3)),
        (lambda *args: args, (0, 1, 2, 3)),
        (lambda worker, req, environ=None: (worker, req, environ), (0, 1, 2)),
    ],
)
def test_post_request_takes_two_to_four_arguments(
    function: Callable[..., Any], result: tuple[int, ...]
) -> None:
    assert call("post_request", function) == [result]


def test_child_exit_takes_the_status_or_not() -> None:
    assert call("child_exit", lambda server, worker: (server, worker)) == [(0, 1)]
    assert call("child_exit", lambda s, w, status: (s, w, status)) == [(0, 1, 2)]


def test_message_says_what_was_expected_and_where_the_function_is() -> None:
    def pre_fork(arbiter):  # type: ignore[no-untyped-def]
        pass

    with pytest.raises(ExtensionError) as caught:
        call("pre_fork", pre_fork)
    assert str(caught.value) == (
        "pre_fork: expected a function of 2 arguments (server, worker), got pre_fork(arbiter)"
        f" ({__file__} line {pre_fork.__code__.co_firstlineno})"
    )


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("on_exit", "1 argument (server)"),
        ("post_request", "2 to 4 arguments (worker, req, environ, resp)"),
    ],
)
def test_message_counts(name: str, count: str) -> None:
    with pytest.raises(ExtensionError) as caught:
        call(name, lambda: None)
    assert f"expected a function of {count}, got" in str(caught.value)


def test_async_function_is_refused() -> None:
    async def on_exit(server: object) -> None: ...

    with pytest.raises(ExtensionError, match=r"got async def on_exit\(server"):
        call("on_exit", on_exit)


class Callable_:
    def __call__(self, server: object, worker: object) -> tuple[object, object]:
        return server, worker


def test_any_callable_can_be_a_hook() -> None:
    assert call("pre_fork", functools.partial(lambda a, b, c: (a, b, c), 7)) == [(7, 0, 1)]
    assert call("pre_fork", Callable_()) == [(0, 1)]
    assert call("on_exit", str) == ["0"]


def test_bad_callable_without_code_is_located_where_it_was_named() -> None:
    with pytest.raises(ExtensionError, match=r"\(corn\.conf\.py line 3\)$"):
        call("on_exit", functools.partial(lambda: None))


def test_the_place_of_a_failure_is_the_functions_own() -> None:
    def fails(server: Any) -> None:
        raise ZeroDivisionError("on purpose")

    line = fails.__code__.co_firstlineno + 1
    with pytest.raises(HookFailed, match=re.escape(f"({__file__} line {line})")):
        call("on_starting", fails)
