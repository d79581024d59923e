"""Datagrams that leave at once or not at all."""

from __future__ import annotations

import errno

# The interpreter's own class: libraries of greenlets put one of theirs in the place of
# socket.socket, and there is nothing to wait for here that a loop should know of.
from _socket import AF_UNIX, SOCK_DGRAM
from _socket import socket as Socket
from typing import Any

from corn_statsd.board import Board


class Transport:
    """Sends to the address that the board names; one for each process.

    The socket is connected, so that a server that is not there shows: the answer of its host
    to one datagram is the error of the next. It is connected again then, which takes up a unix
    socket that was made anew, and never closed while another thread may be using it.

    :param cell: this process's own on the board.
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
        """Send one datagram; what cannot be sent now is lost, and counted as a failure."""
        if self._numbers[0] != self._version:
            self._follow()
        sock = self._socket
        if sock is None:
            return  # the master knows that there is no address, or this is the end
        try:
            sock.send(data)
        except BlockingIOError as error:
            self._board.fail(self._cell, error.errno or errno.EAGAIN)
        except OSError as error:
            if sock.family != AF_UNIX:
                # It was about an earlier datagram (udp(7), connected sockets), which is lost.
                self._board.fail(self._cell, error.errno or errno.EIO)
            self._try_again(sock, data)

    def close(self) -> None:
        """Send nothing any more."""
        self._closed = True
        self._socket = None
        for sock in self._opened:
            sock.close()

    def _try_again(self, sock: Socket, data: bytes) -> None:
        # The server may be back by now, and nothing here waits for it.
        try:
            sock.connect(self._address)
            sock.send(data)
        except OSError as error:
            self._board.fail(self._cell, error.errno or errno.EIO)

    def _follow(self) -> None:
        """Connect to the latest address. Threads may be here together, and each does it all."""
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
        # Last of all: another thread that finds it goes on with the socket.
        self._version = version
