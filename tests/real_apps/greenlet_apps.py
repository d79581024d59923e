"""Applications for the WebSockets of gevent-websocket and of eventlet, which are much alike."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def with_gevent(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Served as `greenlet_apps:with_gevent`, by the worker gevent_websocket."""
    websocket = environ.get("wsgi.websocket")
    if websocket is None:
        return hello(start_response)
    assert websocket.handler.active_client.ws is websocket
    while (said := websocket.receive()) is not None:
        if said == "fail":
            raise ValueError("the application has failed")
        websocket.send(said)
    return []


def with_eventlet(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Served as `greenlet_apps:with_eventlet`, by the worker eventlet."""
    from eventlet.websocket import WebSocketWSGI  # only that worker's process is patched for it

    if environ["PATH_INFO"] == "/":
        return hello(start_response)

    def echo(websocket: Any) -> None:
        while (said := websocket.wait()) is not None:
            if said == "fail":
                raise ValueError("the application has failed")
            websocket.send(said)

    result: Iterable[bytes] = WebSocketWSGI(echo)(environ, start_response)
    return result


def hello(start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
