"""A gate that holds a request inside the application for as long as a test wants."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from urllib.parse import quote

from corn_testkit.waiting import wait_for


class Gate:
    """A FIFO. ``probe:app`` opens it for reading under :attr:`path` and waits for a byte.

    A test that holds several requests has a gate for each.

    :ivar fifo: the FIFO's path.
    """

    def __init__(self, directory: Path, name: str = "gate") -> None:
        self.fifo = directory / name
        self._fd: int | None = None
        os.mkfifo(self.fifo)

    @property
    def path(self) -> str:
        """The path to request."""
        return f"/wait?q={quote(str(self.fifo))}"

    @property
    def request(self) -> bytes:
        """The request as bytes, for clients that read the response later."""
        return f"GET {self.path} HTTP/1.1\r\nHost: gate\r\n\r\n".encode()

    def entered(self) -> None:
        """Wait until a request has reached the application, and hold it there."""
        self._fd = wait_for(self._writer, "a request at the gate")

    def _writer(self) -> int | None:
        try:
            return os.open(self.fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            # ENXIO: the application has not opened it for reading yet (fifo(7)).
            if error.errno != errno.ENXIO:
                raise
            return None

    def open(self) -> None:
        """Let the request go on; it may be gone, with its worker."""
        if self._fd is None:
            return
        try:
            os.write(self._fd, b"!")
        except BrokenPipeError:
            pass
        os.close(self._fd)
        self._fd = None
