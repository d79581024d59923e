"""Refusing new clients on a socket in whose backlog others may still wait.

Closing would not do: other processes have copies of the descriptor, and it goes on listening until
the last of them is closed. shutdown(2) ends it for all of them at once. On Linux, that is; other
systems refuse to shut down a socket that listens, and there every copy has to be closed.
"""

from __future__ import annotations

import socket
import struct
import sys
from array import array

SO_ATTACH_FILTER = 26
"""From asm-generic/socket.h; the module socket does not have it."""

# A program of the kernel's packet filter (bpf(4)): its instructions are the operation, where to
# jump if true and if false, and an operand. It sees a segment from its TCP header on.
_NO_SYN = (
    (0x30, 0, 0, 13),  # load the octet that has the flags
    (0x45, 0, 1, 0x02),  # unless SYN is among them, skip the next instruction
    (0x06, 0, 0, 0),  # take nothing of the segment
    (0x06, 0, 0, 0xFFFFFFFF),  # take all of it
)


def refuse_clients(sock: socket.socket) -> None:
    """Let no further client connect, in whichever process; those in the backlog can be accepted.

    While there are any in the backlog of a TCP socket, new clients are kept waiting instead of
    refused, because shutdown(2) would reset them all: call it again when they have been accepted.
    """
    if sys.platform != "linux":
        return
    try:
        if sock.family != socket.AF_UNIX:
            # Before the look at the backlog, or a client that came after it would be reset.
            _ignore_requests(sock)
            if waiting(sock):
                return
        # What a unix socket has in its backlog stays there, and can be accepted.
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        # It does not listen: it is closed, or has been shut down, or never did.
        return


def waiting(sock: socket.socket) -> int:
    """Count the connections that wait in the backlog of a TCP socket; Linux only.

    :raises OSError: when it is closed.
    """
    # struct tcp_info in linux/tcp.h: for a listening socket, tcpi_unacked is the length of its
    # accept queue. It is the fifth 32-bit number after the first eight bytes.
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 28)
    return int.from_bytes(info[24:28], sys.byteorder)


def _ignore_requests(sock: socket.socket) -> None:
    """Let the kernel drop requests for a connection; the client sends them again, in a second.

    Clients that have sent one before are not affected. Accepted sockets inherit the filter, and
    no segment of an established connection is a SYN.
    """
    code = array("B", b"".join(struct.pack("HBBI", *step) for step in _NO_SYN))
    program = struct.pack("HP", len(_NO_SYN), code.buffer_info()[0])
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
    except OSError:
        # An imitation of Linux may lack filters. What is lost is the moment between two calls.
        return
