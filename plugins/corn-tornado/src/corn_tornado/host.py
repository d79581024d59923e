"""The interface of a driver, as a connection to a Tornado application sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from tornado.httputil import HTTPHeaders
    from tornado.iostream import IOStream

    from corn_core.worker import ClientLimits, Encryption, Host, NativeCycle, RequestCycle

_Connection = TypeVar("_Connection", contravariant=True)


class NativeHost(Protocol[_Connection]):
    """A driver of such connections; ``corn_tornado.native.NativeDriver`` is one."""

    cycle: RequestCycle
    draining: bool
    encryption: Encryption | None
    native: NativeCycle
    scheme: str
    limits: ClientLimits
    worker: Host

    def adopt(self, connection: _Connection, stream: IOStream) -> None: ...
    def gone(self, connection: _Connection) -> None: ...
    def scheme_of(self, headers: HTTPHeaders, connection: _Connection) -> str: ...
