"""An application for workers with greenlets; it knows none of their libraries by name."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from socket import socket
from typing import Any
from urllib.parse import parse_qs

Environ = dict[str, Any]
View = Callable[[str], Iterable[bytes]]

RESPONSE = b"%1023d\n" % 7

inside = 0
most_inside = 0


def patched(query: str) -> Iterable[bytes]:
    """List the modules of the classes imported at the top, and of a few functions by now."""
    found = {
        "socket": socket.__module__,
        "sleep": time.sleep.__module__,
        "popen": subprocess.Popen.__module__,
        "fork": os.fork.__module__,
    }
    return [json.dumps(found).encode()]


def until(query: str) -> Iterable[bytes]:
    """Wait until there is a file, having said so with another one."""
    open(f"{query}.entered", "w").close()
    while not os.path.exists(query):
        time.sleep(0.02)
    return [b"waited"]


def crowd(query: str) -> Iterable[bytes]:
    """Return the most requests that have been in here at the same time."""
    global inside, most_inside
    inside += 1
    most_inside = max(most_inside, inside)
    time.sleep(0.1)
    inside -= 1
    return [str(most_inside).encode()]


def large(query: str) -> Iterable[bytes]:
    """So many kibibytes."""
    return (RESPONSE for _ in range(int(query)))


def endless(query: str) -> Iterator[bytes]:
    while True:
        yield RESPONSE


def kill(query: str) -> Iterable[bytes]:
    """Raise what ends a greenlet; a library may have replaced the application's thread."""
    from greenlet import GreenletExit

    raise GreenletExit


def limit(query: str) -> Iterable[bytes]:
    """Exceed a time limit of the library, which is not an Exception."""
    library = __import__(query)
    with library.Timeout(0.01):
        time.sleep(30)
    return [b"not reached"]


def run(query: str) -> Iterable[bytes]:
    """Return the output of a program, which a thread waits for."""
    found: list[bytes] = []

    def work() -> None:
        found.append(subprocess.run(["echo", query], capture_output=True, check=True).stdout)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return found


def spin(query: str) -> Iterable[bytes]:
    while True:
        pass


VIEWS: dict[str, View] = {
    "/": lambda query: [str(os.getpid()).encode()],
    "/patched": patched,
    "/until": until,
    "/crowd": crowd,
    "/large": large,
    "/endless": endless,
    "/kill": kill,
    "/limit": limit,
    "/run": run,
    "/spin": spin,
}


def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
    query = parse_qs(environ["QUERY_STRING"]).get("q", [""])[0]
    body = VIEWS[environ["PATH_INFO"]](query)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return body
