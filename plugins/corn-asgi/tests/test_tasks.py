"""Start calls of the application, on a loop that runs nothing else."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
import sniffio

from corn_asgi.loops import make_loop
from corn_asgi.running import RunningCall
from corn_asgi.tasks import Calls
from corn_core.http import Request
from corn_core.worker import Exchange

# libuv opens a pipe for signals with the first loop of a process, and keeps it.
make_loop("auto").close()

REQUEST = Request("GET", "/", (1, 1))
VARIABLE = ContextVar("variable", default="unset")
Application = Callable[[Any, Any, Any], Any]


class Hosting:
    """As much of a server as a call needs."""

    def __init__(self, app: Application, loop: asyncio.AbstractEventLoop) -> None:
        self.app = app
        self.loop = loop
        self.calls = Calls(loop)
        self.cycle: Any = SimpleNamespace(in_child=False)


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

    async def rounds() -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    loop.call_soon(act)
    loop.run_until_complete(rounds())


def test_each_call_has_a_task_and_a_context_of_its_own(
    loop: asyncio.AbstractEventLoop,
) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((asyncio.current_task(), VARIABLE.get()))
        assert asyncio.current_task() in asyncio.all_tasks()
        VARIABLE.set("of a call")

    host = Hosting(app, loop)
    calls = [Call(host, REQUEST, Unwatched()), Call(host, REQUEST, Unwatched())]

    def act() -> None:
        for call in calls:
            host.calls.start(call, {})
        assert asyncio.tasks.current_task(loop) is None

    in_loop(loop, act)
    assert [call.outcome for call in calls] == ["returned"] * 2
    assert host.calls.running == set()
    assert [variable for _, variable in seen] == ["unset"] * 2
    assert all(isinstance(task, asyncio.Task) for task, _ in seen)
    assert seen[0][0] is not seen[1][0]


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
    call = Call(host, REQUEST, Unwatched())
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
    call = Call(host, REQUEST, Unwatched())
    in_loop(loop, lambda: host.calls.start(call, {}))
    loop.run_until_complete(asyncio.wait(host.calls.cancel()))
    assert call.outcome == "cancelled"


def current() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


KEPT: list[Any] = []
WEAKLY: weakref.WeakSet[Any] = weakref.WeakSet()


@pytest.mark.parametrize(
    "act",
    [
        lambda: KEPT.append(current()),
        lambda: WEAKLY.add(current()),
        lambda: current().set_name("mine"),
        lambda: current().add_done_callback(KEPT.append),
        lambda: current().cancel(),
        lambda: (current().cancel(), current().uncancel()),
    ],
    ids=["keep", "keep weakly", "name", "callback", "cancel", "uncancel"],
)
def test_what_a_call_does_to_its_task_is_not_seen_by_the_next(
    loop: asyncio.AbstractEventLoop, act: Callable[[], object]
) -> None:
    seen: list[Any] = []

    async def marking(scope: Any, receive: Any, send: Any) -> None:
        act()

    async def looking(scope: Any, receive: Any, send: Any) -> None:
        task = current()
        seen.append((task in KEPT, task in WEAKLY, task.get_name() == "mine", task.cancelling()))
        await asyncio.sleep(0)
        seen.append("not cancelled")

    first, second = (Call(Hosting(app, loop), REQUEST, Unwatched()) for app in (marking, looking))

    def start() -> None:
        for call in (first, second):
            call._host.calls.start(call, {})

    in_loop(loop, start)
    assert seen == [(False, False, False, 0), "not cancelled"]
    assert (first.outcome, second.outcome) == ("returned", "returned")
    assert all(task.done() for task in KEPT)
    KEPT.clear()


def test_a_done_callback_is_called_once_with_the_task(loop: asyncio.AbstractEventLoop) -> None:
    told: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        current().add_done_callback(told.append)

    host = Hosting(app, loop)
    in_loop(loop, lambda: host.calls.start(Call(host, REQUEST, Unwatched()), {}))
    assert [task.done() for task in told] == [True]


@pytest.mark.parametrize("waits", ["for the loop", "for a future", "for what is done"])
def test_a_call_may_cancel_itself_before_it_waits(
    loop: asyncio.AbstractEventLoop, waits: str
) -> None:
    never = loop.create_future()
    done = loop.create_future()
    seen: list[object] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        current().cancel("enough")
        try:
            if waits == "for what is done":
                done.set_result(None)
                await done
            await (never if waits == "for a future" else asyncio.sleep(0))
        except asyncio.CancelledError as error:
            seen.extend(error.args)
            raise

    host = Hosting(app, loop)
    call = Call(host, REQUEST, Unwatched())
    in_loop(loop, lambda: host.calls.start(call, {}))
    assert (call.outcome, seen) == ("cancelled", ["enough"])
    assert never.cancelled() == (waits == "for a future")


def test_task_groups_scopes_and_limits_of_time_work_from_the_first_step_on(
    loop: asyncio.AbstractEventLoop,
) -> None:
    seen: list[object] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(sniffio.current_async_library())
        with anyio.move_on_after(0.01) as limit:
            await anyio.sleep(60)
        seen.append(limit.cancelled_caught)
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 60)
            group.cancel_scope.cancel()
        try:
            async with asyncio.timeout(0.01), asyncio.TaskGroup() as tasks:
                tasks.create_task(asyncio.sleep(60))
        except TimeoutError:
            seen.append("in time")
        seen.append(current().cancelling())

    host = Hosting(app, loop)
    call = Call(host, REQUEST, Unwatched())
    in_loop(loop, lambda: host.calls.start(call, {}))
    assert call.task is not None
    loop.run_until_complete(call.task)
    assert seen == ["asyncio", True, "in time", 0]
    assert call.outcome == "returned"


def test_a_task_shows_where_its_call_waits(loop: asyncio.AbstractEventLoop) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await loop.create_future()

    host = Hosting(app, loop)
    call = Call(host, REQUEST, Unwatched())
    in_loop(loop, lambda: host.calls.start(call, {}))
    assert call.task is not None
    assert [frame.f_code.co_name for frame in call.task.get_stack()] == ["run"]
    assert "RunningCall.run" in repr(call.task)
    loop.run_until_complete(asyncio.wait(host.calls.cancel()))


def test_nothing_is_left_to_complain_when_the_loop_has_ended(
    loop: asyncio.AbstractEventLoop,
) -> None:
    complaints: list[Any] = []
    loop.set_exception_handler(lambda loop, context: complaints.append(context))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        """Answer nothing."""

    host = Hosting(app, loop)
    in_loop(loop, lambda: host.calls.start(Call(host, REQUEST, Unwatched()), {}))
    assert asyncio.all_tasks(loop) == set()
    host.calls = Calls(loop)
    gc.collect()
    assert complaints == []
