"""One client's connection: it reads requests, and takes the octets of responses."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from enum import IntEnum
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from corn_asgi.call import HttpCall
from corn_asgi.forked import LostTransport
from corn_asgi.response import ResponseEncoder
from corn_asgi.scope import Ends
from corn_asgi.websocket.handshake import (
    WEBSOCKET_VERSION,
    BadHandshake,
    asks_for_websocket,
    read_handshake,
)
from corn_core.http import RequestParser
from corn_core.plugin import BadRequest, escape
from corn_core.worker import RequestTimeout

if TYPE_CHECKING:
    from corn_asgi.host import Host, Leave
    from corn_core.http import Request
    from corn_core.worker import ConnectionInfo

FOREVER = float("inf")

LINGER_SECONDS = 2.0
LINGER_BYTES = 1024 * 1024
"""How long, and for how many octets, a connection is read after its last response. Closing a socket
with unread input sends a reset, which may destroy the response before the client has read it
(RFC 9112 section 9.6)."""


LONGEST = 4096
"""The most octets of a request to remember, because a connection keeps them even while idle."""


class Phase(IntEnum):
    """Names what a connection waits for."""

    IDLE = 0
    """the first octet of a request"""
    HEAD = 1
    """the rest of a request's head"""
    CALL = 2
    """the application, or the client whose request the application answers"""
    REST = 3
    """the rest of a body that the application did not want"""
    LINGER = 4
    """the client to close its side"""
    CLOSING = 5
    """the transport, to send what is left"""
    AWAY = 6
    """the protocol that has the transport instead, until that gives it back"""


IDLE, HEAD, CALL, REST, LINGER, CLOSING, AWAY = Phase

DRAIN_GRACE = 1.0
"""Seconds that a connection has for a request which may be on its way when the worker stops. A
browser's spare connection must not hold up a stop."""


class Connection(asyncio.Protocol):
    """A connection on a transport of the event loop; also the sink of refusals.

    :param info: who is at the other end, for hooks and logs.
    :param on_made: called when the connection is among those of its host.
    :param refusal: what is wrong with the connection, if it is only to be told that.
    """

    def __init__(
        self,
        host: Host,
        info: ConnectionInfo,
        on_made: Callable[[], None],
        refusal: BadRequest | None = None,
    ) -> None:
        self.host = host
        self.info = info
        self._on_made: Callable[[], None] | None = on_made
        self._refusal = refusal
        self.parser = RequestParser(host.limits.http)
        self.phase = IDLE
        self.call: HttpCall | None = None
        self.deadline = FOREVER
        self.ended = False  # the client sends no more
        self.write_paused = False
        self._reading = True
        # The octets of a request that the client repeats, and what the parser has made of them.
        # They are forgotten with everything else that is fed to the parser.
        self._known = b""
        self._request: Request
        self._linger_bytes = 0
        self._buffered = 0
        self._drained: list[asyncio.Future[None]] = []
        self.transport: asyncio.Transport
        self.ends: Ends

    # -- the transport's callbacks ---------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.ends = self.host.ends_of(self.info, self.transport)
        self.host.connections.add(self)
        if self._on_made is not None:
            self._on_made()
            self._on_made = None  # it holds on to the task that has greeted the client
        timeout = self.host.limits.header_timeout
        self.deadline = monotonic() + timeout if timeout else FOREVER
        if self._refusal is not None:
            self.refuse(self._refusal)

    def data_received(self, data: bytes) -> None:
        phase = self.phase
        if phase == IDLE and data == self._known:
            # The parser holds nothing, and would make the same of the same octets.
            self._begin(self._request)
        elif phase <= HEAD:
            self._known = b""
            self.parser.feed(data)
            self.advance()
        elif phase == CALL:
            self._known = b""
            self.parser.feed(data)
            assert self.call is not None
            if not self.call.on_data():
                self.pause_reading()
        elif phase == REST:
            self.parser.feed(data)
            self._linger_bytes += len(data)
            self._skip_body()
        elif phase == LINGER:
            self._linger_bytes += len(data)
            if self._linger_bytes > LINGER_BYTES:
                self.transport.abort()

    def eof_received(self) -> bool:
        """Take note of the client's end; a response that has begun may still be sent.

        Returns True if the transport is to stay open for that.
        """
        self.ended = True
        half_open = self.info.scheme == "http"  # TLS has no half of a connection
        if self.phase == CALL:
            assert self.call is not None
            self.call.on_end_of_input()
            return half_open
        if self.phase == HEAD:
            try:
                self.parser.eof()
            except BadRequest as error:
                self.refuse(error)
                return half_open
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.host.connections.discard(self)
        self.phase = CLOSING
        self.deadline = FOREVER
        call = self.call
        self.call = None
        if call is not None:
            call.on_disconnect()
        self._release()

    def pause_writing(self) -> None:
        self.write_paused = True
        self._watch_writing()

    def resume_writing(self) -> None:
        self.write_paused = False
        self.deadline = FOREVER
        self._release()
        if self.call is None and self.phase == CALL:
            self._skip_body()

    def _release(self) -> None:
        """Let those go on who have waited for the client to take what was sent."""
        for waiter in self._drained:
            if not waiter.done():
                waiter.set_result(None)
        self._drained.clear()

    # -- reading ---------------------------------------------------------------------

    def pause_reading(self) -> None:
        """Read nothing more before :meth:`resume_reading`."""
        if self._reading and not self.transport.is_closing():
            self._reading = False
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if not self._reading and not self.transport.is_closing():
            self._reading = True
            self.transport.resume_reading()

    def advance(self) -> None:
        """Go as far as the octets received so far allow."""
        if self.phase > HEAD:
            return  # it was closed before its turn came
        try:
            request = self.parser.next_request()
            if request is not None:
                self._begin(request)
                return
        except BadRequest as error:
            self.refuse(error)
            return
        if self.ended:
            self.close()
            return
        if self.phase == IDLE and self.parser.mid_head:
            self.phase = HEAD
            timeout = self.host.limits.header_timeout
            self.deadline = monotonic() + timeout if timeout else FOREVER
        self.resume_reading()

    def _begin(self, request: Request) -> None:
        host = self.host
        self.phase = CALL
        if request.upgrade and asks_for_websocket(request):
            self._begin_websocket(request)
            return
        if not self._known and request.head == self.ends.head:
            self._remember(request)
        try:
            scope = host.scopes.build(request, self.info, self.ends)
        except BadRequest as error:
            self.refuse(error, request)
            return
        self.deadline = FOREVER
        exchange = host.native.begin_parsed(request, self.info)
        self.call = call = HttpCall(self, request, exchange)
        host.calls.start(call, scope)

    def _remember(self, request: Request) -> None:
        """Remember a request that came twice, unless something comes after its head."""
        if request.has_body or self.parser.buffered or len(request.head) > LONGEST:
            return
        if not self.host.native.watched:
            self._known = request.head + b"\r\n\r\n"
            self._request = request

    def forget_request(self, request: Request) -> None:
        """Let the memory of its fields go, unless a hook or the access log needs them."""
        if not self.host.native.watched:
            request.head = self.ends.head = self.ends.section = b""
            self.ends.fields = []
            request.fields.clear()

    def _begin_websocket(self, request: Request) -> None:
        try:
            handshake = read_handshake(request)
            scope = self.host.scopes.build_websocket(
                request, self.info, self.ends, handshake.subprotocols
            )
        except BadHandshake as error:
            self._refuse_handshake(error, request)
            return
        except BadRequest as error:
            self.refuse(error, request)
            return
        self.phase = AWAY
        self.host.connections.discard(self)
        self.host.open_websocket(self, request, handshake, scope)

    # -- responses -------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send, and keep what the client does not take now."""
        self.transport.write(data)

    async def drained(self) -> None:
        """Wait until the client has taken enough of what was sent, or is gone."""
        waiter: asyncio.Future[None] = self.host.loop.create_future()
        self._drained.append(waiter)
        await waiter

    def finish(self, keep: bool, bodiless: bool = False) -> None:
        """Go on to the next request once the response is complete, or close.

        :param bodiless: True if the request has no body, of which something could be left.
        """
        self.call = None
        if self.transport.is_closing():
            return
        if not keep:
            if self._has_unread():
                self.linger()
            else:
                self.close()
        elif self.write_paused:
            self._watch_writing()  # resume_writing() goes on
        elif bodiless:
            self._await_request()
        else:
            # What the application has left of the body comes first.
            self._skip_body()

    def _has_unread(self) -> bool:
        """Tell whether something of the client's is, or may be, unread."""
        try:
            while piece := self.parser.read_body():
                pass
        except BadRequest:
            return True
        return piece is not None or self.parser.buffered

    def _skip_body(self) -> None:
        """Read what the application has left of the body, and go on when that is done."""
        try:
            while piece := self.parser.read_body():
                pass
        except BadRequest:
            self.linger()
            return
        if piece is None:
            self._await_request()
        elif self.ended or self._linger_bytes > LINGER_BYTES:
            self.linger()
        elif self.phase != REST:
            self.phase = REST
            self.deadline = monotonic() + LINGER_SECONDS
            self.resume_reading()

    def _await_request(self) -> None:
        self.phase = IDLE
        self._linger_bytes = 0
        if self.parser.buffered:
            # Pipelined. It takes its turn after the others that are ready, and what the client
            # sends meanwhile stays with its system: it may send more than it is answered.
            self.deadline = FOREVER
            self.pause_reading()
            self.host.loop.call_soon(self._advance_in_turn)
        elif self.ended:
            self.close()
        else:
            self.deadline = monotonic() + self.host.keepalive
            self.resume_reading()

    def _advance_in_turn(self) -> None:
        self.advance()
        if self.phase == CALL and not self.parser.buffered:
            self.resume_reading()  # it is known now when the client leaves
        elif self.phase == IDLE and self.deadline == FOREVER:
            # What was there behind the last request was an empty line, and the client is idle.
            self.deadline = monotonic() + self.host.keepalive

    def refuse(self, error: BadRequest, request: Request | None = None) -> None:
        """Answer what cannot be served, and close."""
        self.host.cycle.refuse(error, request or self.parser.error_request, self.info, self)
        self.linger()

    def _refuse_handshake(self, error: BadHandshake, request: Request) -> None:
        """Answer a bad handshake, and tell which version would be understood."""
        response = ResponseEncoder(request, keep_alive=False)
        self.write(response.error(error.status, str(error), (WEBSOCKET_VERSION,)))
        peer, uri = self.info.peer_host, escape(request.uri)
        self.host.log.warning("Invalid request from ip=%s: %s: %s", peer, uri, error)
        status = f"{error.status} {error.reason}"
        self.host.native.refuse(request, status, response.headers, response.sent, self.info)
        self.linger()

    def send(self, data: bytes) -> None:
        """Take the octets of a refusal."""
        self.transport.write(data)

    def send_file(self, fd: int, offset: int, count: int) -> None:
        """Refuse: there are no files in refusals."""
        raise NotImplementedError

    def abort(self) -> None:
        """End with a reset, in the clear when everything was sent.

        Under TLS, an end in order would tell the client that nothing is missing.
        """
        if self.info.scheme == "https":
            self.phase = CLOSING
            self.transport.abort()
            return
        copy = socket.socket(fileno=os.dup(self.extra("socket").fileno()))
        # On, for 0 seconds: close(2) then resets the connection (POSIX, SO_LINGER).
        copy.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        copy.close()
        self.close()

    def cut(self, visibly: bool) -> None:
        """End in the middle of a response.

        :param visibly: whether the client can tell by itself that something is missing.
        """
        self.call = None
        if self.transport.is_closing():
            return
        if visibly:
            self.linger()
        else:
            self.abort()

    # -- the end ---------------------------------------------------------------------

    def linger(self) -> None:
        """Close our side, and read until the client closes its own."""
        if self.transport.is_closing():
            return
        if self.ended or not self.transport.can_write_eof():
            self.close()
            return
        self.phase = LINGER
        self.deadline = monotonic() + LINGER_SECONDS
        if self.transport.get_write_buffer_size():
            self._watch_writing()
        self.transport.write_eof()
        self.resume_reading()

    def close(self) -> None:
        """Close when everything was sent."""
        self.phase = CLOSING
        self.transport.close()
        self._watch_writing()

    def expire(self, now: float) -> None:
        """Act on a deadline that has passed."""
        self.deadline = FOREVER
        if self.write_paused or (self.phase >= LINGER and self.transport.get_write_buffer_size()):
            if not self._has_progressed(now):
                self.transport.abort()
        elif self.phase == IDLE:
            self.close()
        elif self.phase == HEAD:
            self.refuse(RequestTimeout("the client took too long to send the request's head"))
        elif self.phase == CALL:
            if self.call is not None:
                self.call.on_timeout()
        else:
            self.transport.abort()

    def _has_progressed(self, now: float) -> bool:
        """Tell whether the client has taken something since the last look, and look again later."""
        size = self.transport.get_write_buffer_size()
        progressed = size < self._buffered
        self._buffered = size
        timeout = self.host.limits.write_timeout
        self.deadline = now + timeout if timeout else FOREVER
        return progressed

    def _watch_writing(self) -> None:
        self._buffered = self.transport.get_write_buffer_size()
        timeout = self.host.limits.write_timeout
        self.deadline = monotonic() + timeout if timeout else FOREVER

    def stop(self) -> None:
        """Take no further request after the present one, because the worker stops."""
        if self.call is not None:
            self.call.response.keep_alive = False
        elif self.phase <= HEAD:
            self.deadline = min(self.deadline, monotonic() + DRAIN_GRACE)

    def lose_transport(self, leave: Leave) -> asyncio.Transport:
        """Give the transport up, in a process that the application has forked, and return it."""
        transport = self.transport
        request = None if self.call is None else self.call.request
        self.transport = cast(asyncio.Transport, LostTransport(leave, request))
        return transport

    def extra(self, name: str) -> Any:
        """Return what the transport says of itself."""
        return self.transport.get_extra_info(name)
