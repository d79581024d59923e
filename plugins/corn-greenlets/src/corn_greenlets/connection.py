"""Sends responses in the client's greenlet, which waits until the client takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from corn_core.worker import DONTWAIT, PIECE, ClientDisconnected, Connection

if TYPE_CHECKING:
    from corn_greenlets.client import Client


class GreenletConnection(Connection):
    """A connection under a :class:`GreenletDriver`; also the sink of its own responses.

    Its send buffer is never used, so that every response is sent when the application has produced
    it, and the phase FLUSH does not occur.
    """

    __slots__ = ()

    driver: Client

    def send(self, data: bytes | memoryview) -> None:
        """Send all of it, waiting for the client if need be."""
        super().send(data)
        self.driver.sent(len(data))

    def queue(self, data: bytes | memoryview) -> None:
        """Wait until the client has taken everything."""
        view = memoryview(data)
        self.driver.wait_for_client()
        while view:
            view = view[self._when_possible(self.channel.send, view, DONTWAIT) :]

    def send_file(self, fd: int, offset: int, count: int) -> None:
        """Send a part of a file, waiting for the client if need be."""
        sendfile = self.channel.sendfile
        while count:
            sent = self._when_possible(sendfile, fd, offset, min(count, PIECE))
            if not sent:
                raise ClientDisconnected("the file became shorter while it was sent")
            offset += sent
            count -= sent
            self.driver.sent(sent)

    def _when_possible(self, send: Callable[..., int], *arguments: object) -> int:
        """Call a function that sends, as soon as the client takes something."""
        while True:
            try:
                return send(*arguments)
            except BlockingIOError:
                self.driver.wait_for_client()
            except OSError as error:
                raise ClientDisconnected(str(error)) from error
