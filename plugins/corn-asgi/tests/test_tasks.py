"""Start calls of the application, on a loop that runs nothing else."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextvars import ContextVar, copy_context
from typing import Any

import pytest

from corn_asgi.loops import make_loop
from corn_asgi.running import RunningCall
from corn_asgi.tasks import Calls, FirstSteps
from corn_core.worker import Exchange

# libuv opens a pipe for signals with the first loop of a process, and keeps it.
make_loop("auto").close()

VARIABLE = ContextVar("variable", default="unset")
Application = Callable[[Any, Any, Any], Any]


class Hosting:
    """As much of a server as a call needs."""

    def __init__(self, app: Application, loop: asyncio.AbstractEventLoop) -> None:
        self.app = app
        self.loop = loop
        self.calls = Calls(loop)


class Call(RunningCall):
    """A call that notes how it has ended."""

    outcome: object = "not ended"

    def _on_cancelled(self) -> None:
        self.outcome = "cancelled"

    def _on_failure(self, error: BaseException) -> None:
        self.outcome = error

    def _on_return(self) -> None:
        self.outcome = "returned"


class Unwatched(Exchange):
    """An exchange that has no one to tell."""

    def __init__(self) -> None:
        """Begin nothing."""

    def request_started(self) -> None:
        """Call nothing."""


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    loop = make_loop(request.param)
    yield loop
    loop.close()


def in_loop(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
    """Run this as a callback, and then what it has scheduled."""
    loop.call_soon(act)
    loop.call_soon(lambda: loop.call_soon(loop.stop))
    loop.run_forever()


def test_a_call_that_need_not_wait_has_ended_when_it_was_started(
    loop: asyncio.AbstractEventLoop,
) -> None:
    seen: list[object] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(asyncio.current_task())
        VARIABLE.set("of a call")

    host = Hosting(app, loop)
    calls = [Call(host, Unwatched()), Call(host, Unwatched())]

    def act() -> None:
        for call in calls:
            host.calls.start(call, {})
            seen.append((call.outcome, len(host.calls.running), VARIABLE.get()))
        assert asyncio.tasks.current_task(loop) is None

    in_loop(loop, act)
    assert seen[1] == seen[3] == ("returned", 0, "unset")
    assert all(isinstance(task, asyncio.Task) for task in (seen[0], seen[2]))
    assert seen[0] is not seen[2]


def test_a_call_that_waits_goes_on_in_its_own_task_and_context(
    loop: asyncio.AbstractEventLoop,
) -> None:
    gate = loop.create_future()
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        VARIABLE.set("of a call")
        seen.append(asyncio.current_task())
        async with asyncio.timeout(60):
            await gate
        seen.append((asyncio.current_task(), VARIABLE.get()))

    host = Hosting(app, loop)
    call = Call(host, Unwatched())
    in_loop(loop, lambda: host.calls.start(call, {}))
    assert call.outcome == "not ended"
    assert host.calls.running == {call}
    assert asyncio.all_tasks(loop) == {call.task} == {seen[0]}
    gate.set_result(None)
    assert call.task is not None
    loop.run_until_complete(call.task)
    assert seen[1] == (call.task, "of a call")
    assert (call.outcome, host.calls.running) == ("returned", set())


def test_a_call_that_waits_can_be_cancelled(loop: asyncio.AbstractEventLoop) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await loop.create_future()

    host = Hosting(app, loop)
    call = Call(host, Unwatched())
    in_loop(loop, lambda: host.calls.start(call, {}))
    loop.run_until_complete(asyncio.wait(host.calls.cancel()))
    assert call.outcome == "cancelled"


def test_what_is_destroyed_while_a_task_is_made_still_reaches_the_loop(
    loop: asyncio.AbstractEventLoop,
) -> None:
    told: list[str] = []

    class Garbage:
        """Schedules something at its end, as asynchronous generators do."""

        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            loop.call_soon(told.append, "destroyed")

    async def work() -> None:
        told.append("step")

    def act() -> None:
        steps, coroutine, context = FirstSteps(loop), work(), copy_context()
        thresholds = gc.get_threshold()
        gc.disable()
        Garbage()
        gc.set_threshold(1)
        gc.enable()
        try:
            steps.start(coroutine, context)
        finally:
            gc.set_threshold(*thresholds)

    in_loop(loop, act)
    assert sorted(told) == ["destroyed", "step"]
    assert "call_soon" not in vars(loop)
