"""Keeps a process that the application has forked from acting as the worker.

It has copies of all that the worker has, and in an event loop it need not return to act as the
worker: it sends, or goes back to the loop.
"""

from __future__ import annotations

import os
from threading import get_ident
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import asyncio

    from corn_asgi.host import Host, Leave
    from corn_core.http import Request


class LostTransport:
    """Stands for the transport of a client in a forked process, and ends the process that uses it.

    The worker answers the client, and must be the only one to do so.
    """

    def __init__(self, leave: Leave, request: Request | None) -> None:
        self._leave = leave
        self._request = request

    def __getattr__(self, name: str) -> NoReturn:
        self._leave(self._request)


def watch_forks(host: Host) -> None:
    """From now on, see to it that a process that is forked leaves the worker's clients alone.

    Call it once, in the thread that the loop runs in.
    """
    thread = get_ident()

    def leave_worker() -> None:
        leave = host.cycle.leave_child
        loop: Any = host.loop

        def leave_instead(*_: Any, **__: Any) -> NoReturn:
            leave(None)

        transports = [each.lose_transport(leave) for each in host.connections]
        # A thread that comes back hands its result to the loop, which does not run any more.
        loop.call_soon_threadsafe = leave_instead
        if get_ident() == thread:
            # The loop's callbacks that are ready come first.
            loop.call_soon(leave_instead)
        _detach(transports)

    os.register_at_fork(after_in_child=leave_worker)


def _detach(transports: list[asyncio.Transport]) -> None:
    """Put something harmless in the place of the clients' sockets.

    The loop may read from one before the process ends, and what it reads the worker would not get.
    A process that lives on would keep open what the worker closes. The descriptors stay in use, and
    registered with the poller, which is one for both processes.
    """
    null = os.open(os.devnull, os.O_RDWR)
    for transport in transports:
        fd = transport.get_extra_info("socket").fileno()
        if fd >= 0:
            os.dup2(null, fd, inheritable=False)
    os.close(null)
