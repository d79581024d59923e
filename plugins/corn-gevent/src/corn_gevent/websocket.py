"""The worker gevent_websocket, for applications that are built on gevent-websocket.

That library extends gevent's own server: its handler shakes hands before it calls the application,
which finds the WebSocket as ``wsgi.websocket``. Here the same handler does that and no more, on
the socket that corn offers to every application.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from corn_core.http import encode_head
from corn_core.plugin import http_date
from corn_core.typing import StartResponse, WSGIApp
from corn_gevent.worker import GeventWorker

try:
    from geventwebsocket.handler import WebSocketHandler
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"{error}; pip install 'corn-gevent[websocket]'", name=error.name
    ) from error


class GeventWebSocketWorker(GeventWorker):
    """The gevent worker for applications that are built on gevent-websocket.

    Such is Flask-SocketIO with ``async_mode="gevent"``, as soon as that library is installed.
    """

    def prepare(self) -> None:
        """Put the handshake in front of the application."""
        super().prepare()
        self.app = WebSocketServer(self.app)


class WebSocketServer:
    """An application that shakes hands with a WebSocket client before it calls another one.

    It is the ``server`` of the library's handlers, too.

    :ivar clients: those that are connected, by address; for ``active_client`` of a handler.
    """

    def __init__(self, application: WSGIApp) -> None:
        self.application = application
        self.clients: dict[object, object] = {}

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("HTTP_UPGRADE", "").lower() != "websocket" or "corn.socket" not in environ:
            return self.application(environ, start_response)
        handshake = Handshake(self, environ)
        refusal = handshake.upgrade_websocket()
        if "wsgi.websocket" in environ:
            handshake.accept()
            return []
        if handshake.status:
            start_response(handshake.status, handshake.headers)
            return [text.encode() for text in refusal]
        return self.application(environ, start_response)


class Handshake(WebSocketHandler):  # type: ignore[misc]  # the library has no types
    """The library's handler, for a request that another server than gevent's has read."""

    def __init__(self, server: WebSocketServer, environ: dict[str, Any]) -> None:
        # Not that of the base class, which wants a connection to read from.
        self.application = server.application
        self.client_address = environ["REMOTE_ADDR"], environ["REMOTE_PORT"], id(self)
        self.environ = environ
        self.headers: list[tuple[str, str]] = []
        self.request_version = environ["SERVER_PROTOCOL"]
        self.server = server
        self.socket = environ["corn.socket"]
        self.status = ""

    @property
    def rfile(self) -> Any:
        """The file the WebSocket reads from; read once, when nothing can be wrong any more."""
        return self.socket.makefile("rb")

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: object = None
    ) -> None:
        self.status, self.headers = status, headers

    def accept(self) -> None:
        """Tell the client, and call the application; at its end the WebSocket is closed."""
        head = encode_head(
            self.status,
            self.headers,
            method="GET",
            version=(1, 1),
            keep_alive=True,
            date=http_date(),
            body_length=None,
        )
        self.socket.sendall(head.data)
        self.run_websocket()
