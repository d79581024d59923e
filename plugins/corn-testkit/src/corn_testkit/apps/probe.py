"""An application of many small ones; the path chooses. Tests ask it about its process too."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qs

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], object]]
View = Callable[[Environ, StartResponse], Iterable[bytes]]


def text(start_response: StartResponse, body: str, status: str = "200 OK") -> list[bytes]:
    data = body.encode()
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(data)))]
    start_response(status, headers)
    return [data]


def argument(environ: Environ, name: str = "q") -> str:
    value: str = parse_qs(environ["QUERY_STRING"])[name][0]
    return value


def hello(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    return text(start_response, "hello")


def pid(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    return text(start_response, str(os.getpid()))


def facts(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The environ of the request, and of the process, as JSON."""
    shown = {name: value for name, value in environ.items() if isinstance(value, str | bool | int)}
    process = {"cwd": os.getcwd(), "environ": dict(os.environ)}
    return text(start_response, json.dumps({"wsgi": shown, "process": process}))


def echo(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return [body]


def wait(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Wait until the FIFO that ?q= names has been opened and closed by a writer."""
    with open(argument(environ)) as gate:
        gate.read()
    return text(start_response, f"waited in {os.getpid()}")


def spin(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    while True:
        pass


def large(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """So many kibibytes as ?q= says, one at a time."""

    def pieces() -> Iterator[bytes]:
        for number in range(int(argument(environ))):
            yield b"%1023d\n" % number

    start_response("200 OK", [("Content-Type", "text/plain")])
    return pieces()


def file(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The file that ?q= names, from the offset in ?from= on."""
    opened = open(argument(environ), "rb")  # noqa: SIM115 - the server closes it
    opened.seek(int(argument(environ, "from")))
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](opened)
    return wrapped


def fail(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    raise RuntimeError("the application has failed")


def fail_late(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "10")])
    yield b"half"
    raise RuntimeError("the application has failed late")


def leave(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    os._exit(7)


def hint(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    if "wsgi.early_hints" in environ:
        environ["wsgi.early_hints"]([("Link", "</style.css>; rel=preload")])
    return text(start_response, "hinted")


VIEWS: dict[str, View] = {
    "/": hello,
    "/pid": pid,
    "/facts": facts,
    "/echo": echo,
    "/wait": wait,
    "/spin": spin,
    "/large": large,
    "/file": file,
    "/fail": fail,
    "/fail-late": fail_late,
    "/leave": leave,
    "/hint": hint,
}


def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    view = VIEWS.get(environ["PATH_INFO"])
    if view is None:
        return text(start_response, "not found", "404 Not Found")
    return view(environ, start_response)
