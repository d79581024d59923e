"""Reports requests that the server of a worker's own library answers.

Such a server reads requests and writes responses itself. This module tells hooks, access log and
scoreboard about them, as the request cycle does for WSGI applications::

    native = worker.cycle.native(worker.request_done)       # once per worker
    exchange = native.begin("GET", "/path?query", (1, 1), raw_headers, connection)
    exchange.request_started()                              # pre_request; HookFailed means 500
    ...                                                     # the application answers
    exchange.end(200, "OK", headers, sent)                  # in any case, once
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import monotonic

from corn_core.http import Request
from corn_core.http.fields import environ_name
from corn_core.interfaces import WorkerView
from corn_core.wsgi.connection import ConnectionInfo
from corn_core.wsgi.events import RequestEvents

RawHeaders = Iterable[tuple[bytes, bytes]]
Headers = Iterable[tuple[str, str]]
Head = tuple[str, str, tuple[int, int], RawHeaders]
"""Method, target, version and fields, as they are given to ``NativeCycle.begin``."""

GONE = "499 Client Closed Request"
"""The status in the log when the client left before there was a response, as in nginx."""


class NativeResponse:
    """A response that another server has sent, as hooks and loggers may read it.

    :ivar status: the status line's code and reason.
    :ivar headers: the fields of the response.
    :ivar sent: bytes of its body.
    :ivar duration: seconds, from the beginning of the exchange to its end.
    """

    __slots__ = ("duration", "headers", "sent", "status")

    def __init__(self, status: str, headers: Headers, sent: int) -> None:
        self.status = status
        self.headers = list(headers)
        self.sent = sent
        self.duration = 0.0

    @property
    def status_code(self) -> int:
        """The status as a number."""
        return int(self.status[:3] or 0)


class NativeCycle:
    """Tells about requests that another server answers; made by ``RequestCycle.native``."""

    def __init__(
        self, worker: WorkerView, events: RequestEvents, on_end: Callable[[], None]
    ) -> None:
        self.events = events
        self.slot = worker.slot
        self.on_end = on_end

    def begin(
        self,
        method: str,
        uri: str,
        version: tuple[int, int],
        headers: RawHeaders,
        connection: ConnectionInfo,
    ) -> Exchange:
        """Record that a request has been read; the exchange must be ended in any case.

        :param uri: the target as sent.
        :param headers: the fields as sent, in order.
        """
        path = uri.partition("?")[0]
        return Exchange(self, method, path, connection, (method, uri, version, headers))

    def begin_parsed(self, request: Request, connection: ConnectionInfo) -> Exchange:
        """Begin the exchange of a request that corn's own parser has read; as :meth:`begin`."""
        path = request.path or request.uri
        return Exchange(self, request.method, path, connection, request)

    @property
    def wanted(self) -> bool:
        """Tell whether a hook or the access log needs what an exchange is told at its end."""
        return self.events.after

    @property
    def watched(self) -> bool:
        """Tell whether a hook or the access log sees the requests themselves."""
        return self.events.before or self.events.after

    def refuse(
        self,
        request: Request | None,
        status: str,
        headers: Headers,
        sent: int,
        connection: ConnectionInfo,
    ) -> None:
        """Report a request that was refused because it was malformed or may not be served.

        :param request: what is known of it, see :func:`make_request`.
        :param status: code and reason of the answer.
        """
        self.events.refused(request, NativeResponse(status, headers, sent), connection)


class Exchange:
    """One request and its response.

    :ivar connection: the connection that the request came on.
    """

    __slots__ = ("_cycle", "_ended", "_request", "_started", "_token", "connection")

    def __init__(
        self,
        cycle: NativeCycle,
        method: str,
        path: str,
        connection: ConnectionInfo,
        request: Request | Head,
    ) -> None:
        self._cycle = cycle
        self._ended = False
        self._request = request
        self.connection = connection
        self._started = now = monotonic()
        self._token = cycle.slot.begin_request(now, method, path)

    @property
    def request(self) -> Request:
        """The request for hooks and loggers, made when it is first asked for."""
        request = self._request
        if isinstance(request, tuple):
            self._request = request = make_request(*request)
        return request

    def request_started(self) -> None:
        """Call pre_request.

        :raises HookFailed: when it fails; answer 500 then, without calling the application.
        """
        if self._cycle.events.before:
            self._cycle.events.request_started(self.request)

    def end(self, status: int, reason: str, headers: Headers, sent: int) -> None:
        """Write the access line and call post_request, once the response has been sent.

        A second call does nothing, so that clean-up code need not know whether it has ended.

        :param sent: bytes of the body.
        """
        if self._ended:
            return
        self._ended = True
        cycle = self._cycle
        if cycle.events.after:
            # Without an observer, the status line is not worth its making.
            self._tell(f"{status} {reason}", headers, sent)
        cycle.slot.end_request(self._token)
        cycle.on_end()

    def abandon(self) -> None:
        """End an exchange whose client has left before there was a response."""
        code, _, reason = GONE.partition(" ")
        self.end(int(code), reason, (), 0)

    def _tell(self, status: str, headers: Headers, sent: int) -> None:
        events = self._cycle.events
        environ = events.describe(self.request, self.connection)
        response = NativeResponse(status, headers, sent)
        events.request_finished(self._started, self.request, environ, response, self.connection)


def make_request(method: str, uri: str, version: tuple[int, int], headers: RawHeaders) -> Request:
    """Make the request that corn's own parser would have made, from another parser's results."""
    request = Request(method, uri, version)
    request.path, _, request.query = uri.partition("?")
    lines = [f"{method} {uri} HTTP/{version[0]}.{version[1]}".encode("latin-1", "replace")]
    fields = request.fields
    for name, value in headers:
        lines.append(name + b": " + value)
        if b"_" in name:
            # It could pose as the field with a hyphen.
            continue
        key = environ_name(name.decode("latin-1"))
        text = value.decode("latin-1")
        fields[key] = f"{fields[key]},{text}" if key in fields else text
    request.head = b"\r\n".join(lines)
    return request
