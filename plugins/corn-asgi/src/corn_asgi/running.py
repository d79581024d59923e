"""Runs a call of the application: what is the same for a request and for a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from corn_core.plugin import WorkerQuit

if TYPE_CHECKING:
    from corn_asgi.messages import Message
    from corn_asgi.scope import Scope
    from corn_core.http import Request
    from corn_core.worker import Exchange, RequestCycle


class Caller(Protocol):
    """The server, as far as every call needs it.

    :ivar calls: a ``tasks.Calls``.
    """

    app: Any
    calls: Any
    cycle: RequestCycle
    loop: asyncio.AbstractEventLoop


class RunningCall:
    """A call of the application, which tells its subclass how it ends.

    :ivar request: the request that it answers.
    :ivar task: what it runs in.
    :ivar ended: True when the application has returned or raised.
    """

    __slots__ = ("_exchange", "_host", "_waiters", "ended", "request", "task")

    def __init__(self, host: Caller, request: Request, exchange: Exchange) -> None:
        self._host = host
        self.request = request
        self._exchange = exchange
        self._waiters: Sequence[asyncio.Future[None]] = ()
        self.ended = False
        self.task: asyncio.Task[None] | None = None

    async def run(self, scope: Scope) -> None:
        """Call the application, and see to it that its client is answered in any case."""
        try:
            self._exchange.request_started()
            await self._host.app(scope, self.receive, self.send)
        except (WorkerQuit, GeneratorExit):
            raise  # the worker ends, or its loop
        except asyncio.CancelledError:
            self._on_cancelled()
        except BaseException as error:
            # All others, SystemExit too: none of them is to end the worker.
            self._leave_if_forked(error)
            self._on_failure(error)
        else:
            self._on_return()
        finally:
            self.ended = True
            self._host.calls.end(self)

    def _leave_if_forked(self, error: BaseException | None = None) -> None:
        """End the process if it is one that the application has forked; the worker answers."""
        cycle = self._host.cycle
        if cycle.in_child:
            cycle.leave_child(self.request, error)

    def wake(self) -> None:
        """Let ``receive`` look again."""
        waiters = self._waiters
        self._waiters = ()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _wait(self) -> None:
        """Wait for :meth:`wake`; several tasks of the application may do that."""
        waiter = self._host.loop.create_future()
        self._waiters = (*self._waiters, waiter)
        await waiter

    # -- what a subclass supplies ----------------------------------------------------

    async def receive(self) -> dict[str, Any]:
        """Return the next message for the application."""
        raise NotImplementedError

    async def send(self, message: Message) -> None:
        """Take a message of the application."""
        raise NotImplementedError

    def _on_cancelled(self) -> None:
        raise NotImplementedError

    def _on_failure(self, error: BaseException) -> None:
        raise NotImplementedError

    def _on_return(self) -> None:
        raise NotImplementedError
