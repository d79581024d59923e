"""Requests that a worker has another server answer, the one of its own library.

Such a server reads requests and writes responses itself. Here hooks, access log and scoreboard
are told about them, as the request cycle tells them about requests of WSGI applications::

    native = worker.cycle.native(worker.request_done)       # once a worker
    exchange = native.begin("GET", "/path?query", (1, 1), raw_headers, connection)
    exchange.request_started()                              # pre_request; HookFailed means 500
    ...                                                     # the application answers
    exchange.end(200, "OK", headers, sent)                  # in any case, once
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import monotonic
from typing import TYPE_CHECKING

from corn_core.http import Request

if TYPE_CHECKING:
    from corn_core.wsgi.connection import ConnectionInfo
    from corn_core.wsgi.events import CycleWorker, RequestEvents

RawHeaders = Iterable[tuple[bytes, bytes]]
Headers = Iterable[tuple[str, str]]
Head = tuple[str, str, tuple[int, int], RawHeaders]
"""Method, target, version and fields, as they are given to ``NativeCycle.begin``."""

GONE = "499 Client Closed Request"
"""The status in the log when a client left before there was one; nginx uses the same."""

_PLAIN_NAMES = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})


class NativeResponse:
    """What hooks and loggers may read of a response that another server has sent.

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
        self, worker: CycleWorker, events: RequestEvents, on_end: Callable[[], None]
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
        """A request has been read; its exchange must be ended, whatever becomes of it.

        :param uri: the target as sent.
        :param headers: the fields as sent, in order.
        """
        return Exchange(self, (method, uri, version, headers), connection)

    def begin_parsed(self, request: Request, connection: ConnectionInfo) -> Exchange:
        """Begin the exchange of a request that corn's own parser has read; as :meth:`begin`."""
        head = (request.method, request.uri, request.version, ())
        return Exchange(self, head, connection, request)

    @property
    def wanted(self) -> bool:
        """Whether anybody wants to know what an exchange is told at its end."""
        return self.events.after

    def refuse(
        self,
        request: Request | None,
        status: str,
        headers: Headers,
        sent: int,
        connection: ConnectionInfo,
    ) -> None:
        """A request could not be read, or may not be served, and has been answered so.

        :param request: what is known of it, see :func:`make_request`.
        :param status: code and reason of the answer.
        """
        self.events.refused(request, NativeResponse(status, headers, sent), connection)


class Exchange:
    """One request and its response.

    :ivar connection: who sent it.
    """

    __slots__ = ("_cycle", "_ended", "_head", "_request", "_started", "_token", "connection")

    def __init__(
        self,
        cycle: NativeCycle,
        head: Head,
        connection: ConnectionInfo,
        request: Request | None = None,
    ) -> None:
        self._cycle = cycle
        self._ended = False
        self._started = monotonic()
        self._head = head
        self._request = request
        self.connection = connection
        path = head[1].partition("?")[0]
        self._token = cycle.slot.begin_request(self._started, head[0], path)

    @property
    def request(self) -> Request:
        """What hooks and loggers get; made when the first of them does."""
        if self._request is None:
            self._request = make_request(*self._head)
        return self._request

    def request_started(self) -> None:
        """Call pre_request.

        :raises HookFailed: when it does; the answer is 500 then, without the application.
        """
        if self._cycle.events.before:
            self._cycle.events.request_started(self.request)

    def end(self, status: int, reason: str, headers: Headers, sent: int) -> None:
        """The response has been sent: write the access line, and call post_request.

        A second call does nothing, so that a clean-up may end what has perhaps ended before.

        :param sent: bytes of the body.
        """
        # Without an observer, the status line is not worth its making.
        self._end(f"{status} {reason}" if self._cycle.events.after else "", headers, sent)

    def abandon(self) -> None:
        """The request has come to its end without a response: its client is gone."""
        self._end(GONE, (), 0)

    def _end(self, status: str, headers: Headers, sent: int) -> None:
        if self._ended:
            return
        self._ended = True
        events = self._cycle.events
        if events.after:
            environ = events.describe(self.request, self.connection)
            response = NativeResponse(status, headers, sent)
            events.request_finished(self._started, self.request, environ, response, self.connection)
        self._cycle.slot.end_request(self._token)
        self._cycle.on_end()


def make_request(method: str, uri: str, version: tuple[int, int], headers: RawHeaders) -> Request:
    """A request as corn's own parser would have it, of what another parser has found."""
    request = Request(method, uri, version)
    request.path, _, request.query = uri.partition("?")
    lines = [f"{method} {uri} HTTP/{version[0]}.{version[1]}".encode("latin-1", "replace")]
    fields = request.fields
    for name, value in headers:
        lines.append(name + b": " + value)
        if b"_" in name:
            # It could pose as the field with a hyphen.
            continue
        key = name.decode("latin-1").upper().replace("-", "_")
        key = key if key in _PLAIN_NAMES else f"HTTP_{key}"
        text = value.decode("latin-1")
        fields[key] = f"{fields[key]},{text}" if key in fields else text
    request.head = b"\r\n".join(lines)
    return request
