"""An application of many small ones; the path chooses. Tests ask it about its process too."""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
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
    """Answer with the environ of the request, and of the process, as JSON."""
    shown = {name: value for name, value in environ.items() if isinstance(value, str | bool | int)}
    process = {"cwd": os.getcwd(), "environ": dict(os.environ)}
    return text(start_response, json.dumps({"wsgi": shown, "process": process}))


def echo(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return [body]


def wait(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Wait until there is a byte in the FIFO that ?q= names.

    It asks again and again, so that in a worker with greenlets the others have their turn.
    """
    fd = os.open(argument(environ), os.O_RDONLY | os.O_NONBLOCK)
    try:
        while not arrived(fd):
            time.sleep(0.005)
    finally:
        os.close(fd)
    return text(start_response, f"waited in {os.getpid()}")


def arrived(fd: int) -> bool:
    try:
        # Nothing, as long as the test has not opened it for writing.
        return os.read(fd, 1) != b""
    except BlockingIOError:
        return False


def sleep(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Sleep for as many seconds as ?q= says."""
    time.sleep(float(argument(environ)))
    return text(start_response, f"slept in {os.getpid()}")


def freeze(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Stop the whole process: every thread and every greenlet in it.

    It waits without ever letting go of the GIL, and without using the processor. A signal ends a
    wait, so that in the main thread its handler runs.
    """
    libc = ctypes.PyDLL(None)
    while True:
        libc.poll(None, 0, 60_000)


def hold(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Hold the thread, and all greenlets in it, without using the processor or the GIL."""
    libc = ctypes.CDLL(None)
    while True:
        libc.poll(None, 0, 60_000)


def spin(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    while True:
        pass


def mirror(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with what the request was: method, path, query and body."""
    body = environ["wsgi.input"].read().decode("latin-1")
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    return text(start_response, f"{environ['REQUEST_METHOD']} {path} {query} {body}".rstrip())


def digest(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Length and SHA-256 of the body, which is read in pieces."""
    known, size = sha256(), 0
    while piece := environ["wsgi.input"].read(65536):
        known.update(piece)
        size += len(piece)
    return text(start_response, f"{size} {known.hexdigest()}")


def nothing(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("204 No Content", [])
    return []


def unchanged(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("304 Not Modified", [("ETag", '"1"')])
    return [b""]


def short(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Announces more than there is."""
    start_response("200 OK", [("Content-Length", "10")])
    return [b"short"]


def long(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Has more than it announces."""
    start_response("200 OK", [("Content-Length", "4")])
    return [b"long", b" and longer"]


def write(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Uses the callable that ``start_response`` returns."""
    put = start_response("200 OK", [("Content-Type", "text/plain")])
    put(b"written ")
    put(b"twice")
    return [b" and returned"]


def complain(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Writes ?q= to the server's error log."""
    environ["wsgi.errors"].write(f"complaint: {argument(environ)}\n")
    environ["wsgi.errors"].flush()
    return text(start_response, "complained")


class Closing:
    """Kibibytes, and a file that tells when ``close`` has been called."""

    def __init__(self, mark: str, count: int) -> None:
        self._mark = mark
        self._left = count

    def __iter__(self) -> Closing:
        return self

    def __next__(self) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise StopIteration
        return b"x" * 1024

    def close(self) -> None:
        with open(self._mark, "a") as mark:
            mark.write("closed\n")


def closing(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """So many kibibytes as ?count= says; ?q= names the file."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Closing(argument(environ), int(argument(environ, "count")))


def large(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """So many kibibytes as ?q= says, one at a time."""

    def pieces() -> Iterator[bytes]:
        for number in range(int(argument(environ))):
            yield b"%1023d\n" % number

    start_response("200 OK", [("Content-Type", "text/plain")])
    return pieces()


def file(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Send the file that ?q= names, from the offset in ?from= on."""
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


def fail_chunked(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"half"
    raise RuntimeError("the application has failed late")


def leave(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    os._exit(7)


def fork(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Fork a process that comes back into the server, as ?q= says: return, raise, exit."""
    child = os.fork()
    if child:
        return text(start_response, str(child))
    how = argument(environ)
    if how == "raise":
        raise RuntimeError("the child has failed")
    if how == "exit":
        sys.exit(3)
    return text(start_response, "a child's answer")


def close_standard(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Close the descriptors of the standard streams, as code does that becomes a daemon."""
    os.closerange(0, 3)
    return text(start_response, "closed")


def output(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Write to the descriptors of standard output and error, whatever they are by now."""
    for fd in (1, 2):
        os.write(fd, b"what was printed")
    return text(start_response, "written")


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
    "/sleep": sleep,
    "/hold": hold,
    "/spin": spin,
    "/freeze": freeze,
    "/mirror": mirror,
    "/digest": digest,
    "/nothing": nothing,
    "/unchanged": unchanged,
    "/short": short,
    "/long": long,
    "/write": write,
    "/complain": complain,
    "/closing": closing,
    "/large": large,
    "/file": file,
    "/fail": fail,
    "/fail-late": fail_late,
    "/fail-chunked": fail_chunked,
    "/leave": leave,
    "/close-standard": close_standard,
    "/output": output,
    "/fork": fork,
    "/hint": hint,
}


def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    view = VIEWS.get("/mirror" if path.startswith("/mirror/") else path)
    if view is None:
        return text(start_response, "not found", "404 Not Found")
    return view(environ, start_response)
