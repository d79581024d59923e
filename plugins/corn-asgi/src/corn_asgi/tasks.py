"""Starts the calls of the application, each as a task of its own."""

from __future__ import annotations

import sys
from asyncio import AbstractEventLoop, Task
from contextvars import copy_context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from corn_asgi.running import RunningCall
    from corn_asgi.scope import Scope


class Calls:
    """The calls of the application that have not ended, of HTTP requests and of WebSockets.

    asyncio itself holds only weak references to tasks. A call may go on when its response is
    complete; these are waited for as well when the worker stops.
    """

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        # Callbacks of the loop run in the context of the code that has caused them, which may be
        # that of another request: it has read on, say. What one sets must not be seen by the next.
        self._context = copy_context()
        self.running: set[RunningCall] = set()
        # Not a callback of the task, which would cost another round of the loop.
        self.end = self.running.discard

    def start(self, call: RunningCall, scope: Scope) -> None:
        """Run a call: where asyncio can, at once, up to where it first has to wait.

        Call it from the loop and never from within another task's step.
        """
        task = self.begin(call.run(scope))
        if not call.ended:
            call.task = task
            self.running.add(call)

    def begin(self, work: Coroutine[Any, Any, None]) -> Task[None]:
        """Run work of the server itself in the same way, and return its task."""
        context = self._context.copy()
        if sys.version_info >= (3, 12):
            return Task(work, loop=self._loop, context=context, eager_start=True)
        return Task(work, loop=self._loop, context=context)

    def cancel(self) -> list[Task[None]]:
        """Cancel what still runs, and return it."""
        tasks = [call.task for call in self.running if call.task is not None]
        for task in tasks:
            task.cancel()
        return tasks
