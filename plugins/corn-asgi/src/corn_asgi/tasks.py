"""Starts the calls of the application, each as a task of its own."""

from __future__ import annotations

import sys
from asyncio import AbstractEventLoop, Task
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from corn_asgi.running import RunningCall
    from corn_asgi.scope import Scope

Work = Coroutine[Any, Any, None]


class Calls:
    """The calls of the application that have not ended, of HTTP requests and of WebSockets.

    asyncio itself holds only weak references to tasks. A call may go on when its response is
    complete; these are waited for as well when the worker stops.
    """

    def __init__(self, loop: AbstractEventLoop) -> None:
        # Callbacks of the loop run in the context of the code that has caused them, which may be
        # that of another request: it has read on, say. What one sets must not be seen by the next.
        self._context = copy_context()
        self._start = _eagerly(loop)
        self.running: set[RunningCall] = set()
        # Not a callback of the task, which would cost another round of the loop.
        self.end = self.running.discard

    def start(self, call: RunningCall, scope: Scope) -> None:
        """Run a call, at once, up to where it first has to wait.

        Call it from the loop and never from within another task's step.
        """
        task = self._start(call.run(scope), self._context.copy())
        if not call.ended:
            call.task = task
            self.running.add(call)

    def begin(self, work: Work) -> Task[None]:
        """Run work of the server itself in the same way, and return its task."""
        return self._start(work, self._context.copy())

    def cancel(self) -> list[Task[None]]:
        """Cancel what still runs, and return it."""
        tasks = [call.task for call in self.running if call.task is not None]
        for task in tasks:
            task.cancel()
        return tasks


def _eagerly(loop: AbstractEventLoop) -> Callable[[Work, Context], Task[None]]:
    """Return what makes a task of the loop that has done its first step already."""
    if sys.version_info < (3, 12):
        return FirstSteps(loop).start

    def start(work: Work, context: Context) -> Task[None]:
        return Task(work, loop=loop, context=context, eager_start=True)

    return start


class FirstSteps:
    """Does the first steps of tasks at once, for Python 3.11, whose tasks have no ``eager_start``.

    A task asks its loop, while it is made, to call its first step soon. That one request is kept
    from the loop, and the step done here, as the loop would: a call that has its answer without
    waiting then never goes through the loop. In all else it is the task that it would have been.
    """

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._attributes = vars(loop)
        self._call_soon = loop.call_soon
        self._hold = self._hold_first_step
        self._context: Context | None = None
        self._step: Callable[[], None]

    def start(self, work: Work, context: Context) -> Task[None]:
        """Make a task, and do its first step in this context."""
        attributes = self._attributes
        self._context = context
        attributes["call_soon"] = self._hold
        try:
            task = Task(work, loop=self._loop, context=context)
        finally:
            del attributes["call_soon"]
        context.run(self._step)
        return task

    def _hold_first_step(
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Any:
        if context is not self._context:
            # Of something that is destroyed, by chance, while the task is made.
            return self._call_soon(callback, *args, context=context)
        self._step = callback
        return None
