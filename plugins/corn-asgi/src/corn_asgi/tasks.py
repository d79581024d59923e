"""Starts the calls of the application, each as a task of its own."""

from __future__ import annotations

import sys
from asyncio import AbstractEventLoop, Task
from collections.abc import Coroutine
from contextvars import copy_context
from typing import Any

Start = Coroutine[Any, Any, None]


class Calls:
    """The calls of the application that have not ended, of HTTP requests and of WebSockets.

    asyncio itself holds only weak references to tasks. A call may go on when its response is
    complete; these are waited for as well when the worker stops.
    """

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        # Callbacks of the loop run in the context of whoever has caused them, which may be another
        # request: it has read on, say. What one request sets must not be seen by the next.
        self._context = copy_context()
        self.running: set[Task[None]] = set()

    def start(self, call: Start) -> None:
        """Run a call: where asyncio can, at once, up to where it first has to wait.

        Call it from the loop and never from within another task's step.
        """
        if sys.version_info >= (3, 12):
            task = Task(call, loop=self._loop, context=self._context.copy(), eager_start=True)
        else:
            task = Task(call, loop=self._loop, context=self._context.copy())
        if not task.done():
            self.running.add(task)
            task.add_done_callback(self.running.discard)

    def cancel(self) -> list[Task[None]]:
        """Cancel what still runs, and return it."""
        tasks = list(self.running)
        for task in tasks:
            task.cancel()
        return tasks
