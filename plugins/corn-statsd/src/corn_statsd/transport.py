"""Sends datagrams at once or not at all."""

from __future__ import annotations

import errno

# The interpreter's own class. Greenlet libraries replace socket.socket by their own, but nothing
# here waits, so their loop need not know.
from _socket import AF_UNIX, SOCK_DGRAM
from _socket import socket as Socket
from typing import Any

from corn_statsd.board import Board


class Transport:
    """Sends to the address on the board; there is one transport per process.

    The socket is connected, so that a missing server is noticed: its host's reply to one datagram
    becomes the error of the next. The socket is then connected again, which also finds a unix
    socket that has been recreated. It is never closed while another thread may be using it.

    :param cell: this process's own cell on the board.
    """

    def __init__(self, board: Board, cell: int) -> None:
        self._board = board
        self._numbers = board.numbers
        self._cell = cell
        self._version = 0
        self._address: Any = None
        self._socket: Socket | None = None
        self._opened: list[Socket] = []
        self._closed = False
        self._follow()

    def send(self, data: bytes) -> None:
        """Send one datagram. If it cannot be sent now, it is lost and counted as a failure."""
        if self._numbers[0] != self._version:
            self._follow()
        sock = self._socket
        if sock is None:
            return  # the master knows that there is no address, or the process is exiting
        try:
            sock.send(data)
        except BlockingIOError as error:
            self._board.fail(self._cell, error.errno or errno.EAGAIN)
        except OSError as error:
            if sock.family != AF_UNIX:
                # The error is about an earlier datagram (udp(7), connected sockets), now lost.
                self._board.fail(self._cell, error.errno or errno.EIO)
            self._try_again(sock, data)

    def close(self) -> None:
        """Stop sending."""
        self._closed = True
        self._socket = None
        for sock in self._opened:
            sock.close()

    def _try_again(self, sock: Socket, data: bytes) -> None:
        # The server may be back by now, and trying does not wait.
        try:
            sock.connect(self._address)
            sock.send(data)
        except OSError as error:
            self._board.fail(self._cell, error.errno or errno.EIO)

    def _follow(self) -> None:
        """Connect to the latest address. Several threads may do so at once; each does all of it."""
        version = self._numbers[0]
        target = self._board.target()
        if target is not None and not self._closed:
            family, self._address = target
            sock = self._socket
            if sock is None or sock.family != family:
                sock = Socket(family, SOCK_DGRAM)
                sock.setblocking(False)
                self._opened.append(sock)
            try:
                sock.connect(self._address)
            except OSError as error:
                self._board.fail(self._cell, error.errno or errno.EIO)
            self._socket = sock
        # Set last, because a thread that sees the new version uses the socket.
        self._version = version
