"""A connection with a greenlet of its own: instead of keeping what a client does not take, it
waits until the client takes it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from corn_core.errors import ClientDisconnected
from corn_core.serving.connection import DONTWAIT, Connection
from corn_core.serving.sendbuffer import PIECE

if TYPE_CHECKING:
    from corn_greenlets.client import Client


class GreenletConnection(Connection):
    """A connection under a :class:`GreenletDriver`; also the sink of its own responses.

    Its send_buffer is never used, so that every response is sent when the application has produced
    it, and the phase FLUSH does not occur.
    """

    __slots__ = ()

    driver: Client

    def send(self, data: bytes | memoryview) -> None:
        """Send all of it, waiting for the client if need be."""
        super().send(data)
        self.driver.sent(len(data))

    def _queue(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            self.driver.wait_for_client()
            try:
                sent = self.sock.send(view, DONTWAIT)
            except BlockingIOError:
                continue
            except OSError as error:
                raise ClientDisconnected(str(error)) from error
            view = view[sent:]

    def send_file(self, fd: int, offset: int, count: int) -> None:
        """Send a part of a file with sendfile, waiting for the client if need be."""
        # sendfile has no flag that keeps it from waiting; the socket itself must say so.
        os.set_blocking(self.fd, False)
        while count:
            try:
                sent = os.sendfile(self.fd, fd, offset, min(count, PIECE))
            except BlockingIOError:
                self.driver.wait_for_client()
                continue
            except OSError as error:
                raise ClientDisconnected(str(error)) from error
            if not sent:
                raise ClientDisconnected("the file became shorter while it was sent")
            offset += sent
            count -= sent
            self.driver.sent(sent)
