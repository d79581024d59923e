"""The client's side of the control socket."""

from __future__ import annotations

import json
import socket
from types import TracebackType
from typing import Any

from corn_control.protocol import VERSION, Request, ask

MARGIN = 10.0
"""Seconds that a server gets for its answer beyond the request's own timeout: its loop may be held
up, for example by an address that a reload waits for."""

Answer = dict[str, Any]


class Unreachable(Exception):
    """There is no server at the socket, or none that answers, or it may not be asked."""


class Connection:
    """A connection to a server; a context manager that closes it.

    :raises Unreachable: when there is none.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._unread = b""
        try:
            self._sock.settimeout(MARGIN)
            self._sock.connect(path)
        except OSError as error:
            self._sock.close()
            raise Unreachable(_reason(path, error)) from None

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._sock.close()

    def ask(self, request: Request) -> Answer:
        """Send a request; returns the whole answer, of a request that was refused as well.

        :raises Unreachable: when there is no answer.
        """
        self._sock.settimeout(request.timeout + MARGIN)
        try:
            self._sock.sendall(ask(request))
        except OSError:
            pass  # it may have said why before it closed, for example that it has too many clients
        try:
            answer = json.loads(self._line())
        except TimeoutError:
            raise Unreachable(f"the server at {self._path} does not answer") from None
        except OSError as error:
            raise Unreachable(f"the server at {self._path} is gone: {error.strerror}") from None
        except ValueError:
            raise Unreachable(f"{self._path} is not the control socket of a corn server") from None
        if not isinstance(answer, dict) or answer.get("v") != VERSION:
            raise Unreachable(f"the server at {self._path} speaks another version of the protocol")
        return answer

    def _line(self) -> bytes:
        while b"\n" not in self._unread:
            data = self._sock.recv(65536)
            if not data:
                raise Unreachable(f"the server at {self._path} has closed the connection")
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return line


def _reason(path: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"there is no {path}; is the server running, and with --control {path}?"
    if isinstance(error, PermissionError):
        return f"{path} may be used only by the user that the server's master runs as, and root"
    if isinstance(error, ConnectionRefusedError):
        return f"no server answers at {path} any more"
    return f"cannot connect to {path}: {error.strerror or error}"
