"""What a driver asks of the worker that runs it, and a connection of its driver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from corn_core.http import Request
from corn_core.interfaces import WorkerView
from corn_core.net import Listener
from corn_core.serving.settings import ClientLimits, Encryption
from corn_core.wsgi import RequestBody, RequestCycle

if TYPE_CHECKING:
    from ssl import SSLContext

_Connection = TypeVar("_Connection", contravariant=True)


class Wakeup(Protocol):
    """A descriptor that is readable after a signal."""

    fd: int

    def clear(self) -> None: ...


class Host(WorkerView, Protocol):
    """A worker, as its driver sees it; ``corn_core.worker.Worker`` is one."""

    cycle: RequestCycle
    listeners: Sequence[Listener]
    ssl_context: SSLContext | None

    @property
    def wakeup(self) -> Wakeup: ...
    def notify(self) -> None: ...
    def request_done(self) -> None: ...


class Managed(Protocol):
    """What a driver has under its poller: a connection, or what comes before it."""

    deadline: float
    fd: int
    watched: int

    @property
    def peer_host(self) -> str: ...
    @property
    def idle(self) -> bool:
        """Whether the client has yet to send the first byte of a request."""

    def on_event(self, mask: int) -> None: ...
    def expire(self) -> None: ...
    def close(self) -> None: ...


class Driver(Protocol[_Connection]):
    """A driver, as its connections see it."""

    connection_class: type[Any]
    cycle: RequestCycle
    encryption: Encryption | None
    limits: ClientLimits

    def dispatch(self, connection: _Connection, request: Request, body: RequestBody) -> None:
        """Answer a request, now or later, and then call the connection's ``finish``."""

    def postpone(self, connection: _Connection) -> None:
        """Call the connection's ``go_on``, once, when others have had their turn."""

    def watch(self, connection: Managed, mask: int) -> None:
        """Report the connection's events of this kind to it."""

    def forget(self, connection: Managed) -> None:
        """Report nothing of it any more."""

    def notify(self) -> None:
        """Tell the master that the worker is alive, when a connection has to hold it."""
