"""An application that takes the client's socket, speaks a protocol of its own on it, and ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Thread
from typing import Any

Environ = dict[str, Any]

SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n"


def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
    view = VIEWS.get(environ["PATH_INFO"])
    if view is None:
        return text(start_response, "hello")
    return view(environ, start_response)


def text(start_response: Any, body: str, status: str = "200 OK") -> list[bytes]:
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body.encode()]


def talk(environ: Environ) -> None:
    """Shout back whatever the client says, until it says bye or nothing more."""
    sock = environ["corn.socket"]
    assert environ["gunicorn.socket"] is sock
    sock.sendall(SWITCHED)
    while said := sock.recv(100):
        sock.sendall(said.upper())
        if said == b"bye":
            break


def stop(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Ends as Flask-Sock does under Gunicorn."""
    talk(environ)
    raise StopIteration


def nothing(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Ends as eventlet's WebSockets do."""
    talk(environ)
    return []


def page(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Ends as a framework does that knows nothing of what its view was up to."""
    talk(environ)
    return text(start_response, "a page")


def fail(environ: Environ, start_response: Any) -> Iterable[bytes]:
    talk(environ)
    raise RuntimeError("the talk has failed")


def linger(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Ends, and leaves a thread that still listens to the client."""
    sock, errors = environ["corn.socket"], environ["wsgi.errors"]

    def listen() -> None:
        print("the thread heard", sock.recv(100), file=errors, flush=True)

    Thread(target=listen, daemon=True).start()
    sock.sendall(SWITCHED)
    return []


def look(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Only asks for the client's address."""
    if "corn.socket" not in environ or "gunicorn.socket" not in environ:
        return text(start_response, "no socket")
    host, port = environ["gunicorn.socket"].getpeername()
    return text(start_response, f"{host} {port}")


VIEWS: dict[str, Callable[[Environ, Any], Iterable[bytes]]] = {
    "/stop": stop,
    "/nothing": nothing,
    "/page": page,
    "/fail": fail,
    "/linger": linger,
    "/look": look,
}
