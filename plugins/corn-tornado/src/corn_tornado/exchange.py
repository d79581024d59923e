"""A request on its way through a Tornado application, and its response on the way back.

Tornado's server passes a request to a delegate, and the application writes its response to a
connection. This module wraps both, so that it sees every request, whatever answers it.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Awaitable, Callable
from typing import Any, cast

from tornado.http1connection import HTTP1ServerConnection
from tornado.httpserver import HTTPServer
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.iostream import IOStream

from corn_core.http import error_page
from corn_core.worker import BadRequest, HookFailed, ServerFault, make_request
from corn_tornado.connection import NativeConnection
from corn_tornado.heads import examine, raw, version_of

SWITCHING = 101


class NativeServer(HTTPServer):
    """Tornado's server, wrapping each request; the driver gives it connections."""

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        stream = cast(HTTP1ServerConnection, server_conn).stream
        connection = cast(NativeConnection, cast(Any, stream).watcher)
        connection.await_request()
        outlet = Outlet(request_conn, connection)
        return Inlet(super().start_request(server_conn, outlet), outlet, connection)


class Inlet(HTTPMessageDelegate):
    """Passes a request on to the application's delegate, piece by piece."""

    def __init__(
        self, delegate: HTTPMessageDelegate, outlet: Outlet, connection: NativeConnection
    ) -> None:
        self._delegate = delegate
        self._outlet = outlet
        self._connection = connection
        self._begun = False

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        line = cast(RequestStartLine, start_line)
        connection, driver = self._connection, self._connection.driver
        fields = raw(headers)
        said = (line.method, line.path, version_of(line), fields)
        try:
            examine(line, fields, driver.limits.http)
            scheme = driver.scheme_of(headers, connection)
        except BadRequest as error:
            connection.refuse(error, make_request(*said))
            return None
        # Tornado makes its request object from this, so it is set again for each request.
        cast(Any, self._outlet).context.protocol = scheme
        connection.await_body()
        try:
            connection.begin(driver.native.begin(*said, connection))
        except HookFailed:
            self._outlet.answer_for_the_application()
            return None
        self._begun = True
        return self._untimed(self._delegate.headers_received(start_line, headers))

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._untimed(self._delegate.data_received(chunk)) if self._begun else None

    def finish(self) -> None:
        if self._begun:
            self._connection.await_app()
            self._delegate.finish()

    def on_connection_close(self) -> None:
        if self._begun:
            self._delegate.on_connection_close()

    def _untimed(self, work: Awaitable[None] | None) -> Awaitable[None] | None:
        """Stop timing the client while the application keeps it from sending the body."""
        if work is None:
            return None
        self._connection.await_app()
        return self._timed_afterwards(work)

    async def _timed_afterwards(self, work: Awaitable[None]) -> None:
        await work
        if not self._connection.detached:
            self._connection.await_body()


class Outlet(HTTPConnection):
    """The connection as the application sees it, for writing its response.

    Attributes not defined here are Tornado's own: ``context``, ``stream``, ``set_body_timeout`` ...
    """

    def __init__(self, inner: HTTPConnection, connection: NativeConnection) -> None:
        self._inner = inner
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def write_headers(
        self,
        start_line: RequestStartLine | ResponseStartLine,
        headers: HTTPHeaders,
        chunk: bytes | None = None,
    ) -> Future[None]:
        line = cast(ResponseStartLine, start_line)
        code = line.code
        if code >= 200 and self._connection.driver.draining:
            headers["Connection"] = "close"
            self._connection.last = True
        answer = self._connection.answer
        answer.begin(code, line.reason, headers.get_all())
        answer.sent += len(chunk or b"")
        return self._inner.write_headers(start_line, headers, chunk)

    def write(self, chunk: bytes) -> Future[None]:
        self._connection.answer.sent += len(chunk)
        return self._inner.write(chunk)

    def finish(self) -> None:
        code = self._connection.answer.code
        try:
            self._inner.finish()
        finally:
            # After 101 another protocol begins, which ends with the connection.
            if code != SWITCHING:
                self._connection.end()

    def answer_for_the_application(self) -> None:
        """Send an error page instead of calling the application."""
        fault = ServerFault
        fields, page = error_page(fault.status, fault.reason, fault.for_client)
        line = ResponseStartLine("", fault.status, fault.reason)
        self.write_headers(line, HTTPHeaders(dict(fields)), page)
        self.finish()

    def detach(self) -> IOStream:
        """Give the stream to the application, for a websocket for example."""
        self._connection.detach()
        stream: IOStream = cast(Any, self._inner).detach()
        return stream

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """Note which handler serves the request: every handler calls this when it is made."""
        if callback is not None:
            self._connection.handler = getattr(callback, "__self__", None)
        cast(Any, self._inner).set_close_callback(callback)
