"""The connection of a WebSocket: it has the transport from the handshake on."""

from __future__ import annotations

import asyncio
import os
from time import monotonic
from typing import TYPE_CHECKING, cast

from corn_asgi.forked import LostTransport
from corn_asgi.websocket.call import WebSocketCall
from corn_asgi.websocket.session import ABNORMAL, Session

if TYPE_CHECKING:
    from corn_asgi.connection import Connection
    from corn_asgi.host import Leave
    from corn_asgi.websocket.handshake import Handshake
    from corn_core.http import Request

FOREVER = float("inf")

CLOSE_TIMEOUT = 10.0
"""Seconds that a client has to answer a close frame."""

EARLY_BYTES = 64 * 1024
"""Octets of a client that are kept before the application has accepted its handshake."""

PING_TIMEOUT = 1011


class WebSocketConnection(asyncio.Protocol):
    """Moves octets between the transport and the session, and watches over pings and deadlines.

    :param http: the connection that the handshake has come on, which lends its transport, and its
        care for closing it.
    """

    def __init__(self, http: Connection, request: Request, handshake: Handshake) -> None:
        self._http = http
        self.host = http.host
        self.transport = http.transport
        exchange = self.host.native.begin_parsed(request, http.info)
        self.call = WebSocketCall(self, request, handshake, exchange)
        self.deadline = FOREVER
        self._early = b""
        self._reading = True
        self._lost = False
        self._closing = False  # the transport is in the hands of the HTTP connection
        self._buffered = 0
        self._ping_due = FOREVER

    def take_over(self) -> None:
        """Take the transport, and what has arrived with the handshake."""
        self.transport.set_protocol(self)
        self._http.resume_reading()
        self._early = self._http.parser.unread()

    # -- the transport's callbacks ---------------------------------------------------

    def data_received(self, data: bytes) -> None:
        session = self.call.session
        if session is None:
            self._early += data
            if len(self._early) > EARLY_BYTES:
                self._pause_reading()
            return
        answer = session.receive(data)
        if answer:
            self.write(answer)
        self._after_input(session)

    def _after_input(self, session: Session) -> None:
        if session.failed:
            uri = self._http.info.peer_host
            self.host.log.warning("Invalid websocket from ip=%s: %s", uri, session.failed)
        if session.ended:
            self._hang_up()
        elif self._is_full(session):
            self._pause_reading()
        elif not session.pings and self._ping_due != FOREVER and not self.write_paused:
            self.deadline = self._ping_due
        if session.messages or session.ended:
            self.call.wake()

    def eof_received(self) -> bool:
        """Treat the client's end as that of the socket, which has no half of a connection."""
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        self.deadline = FOREVER
        self.host.connections.discard(self)
        self._http.connection_lost(error)
        session = self.call.session
        if session is None:
            self.call.leave(ABNORMAL)
        else:
            session.lose()
            self.call.wake()

    def pause_writing(self) -> None:
        self._http.pause_writing()
        self._buffered = self.transport.get_write_buffer_size()
        timeout = self.host.limits.write_timeout
        self.deadline = monotonic() + timeout if timeout else FOREVER

    def resume_writing(self) -> None:
        self._http.resume_writing()
        self._schedule_ping()

    # -- for the call ----------------------------------------------------------------

    @property
    def write_paused(self) -> bool:
        """True while the client does not take what was sent."""
        return self._http.write_paused

    async def drained(self) -> None:
        """Wait until the client has taken enough of what was sent, or is gone."""
        await self._http.drained()

    def write(self, data: bytes) -> None:
        """Send, and keep what the client does not take now."""
        if data and not self._lost:
            self.transport.write(data)

    def accept(self, head: bytes) -> None:
        """Open the socket: send the 101, and read the frames that are here already."""
        self.write(head)
        self._http.forget_request(self.call.request)
        self._schedule_ping()
        early, self._early = self._early, b""
        self._resume_reading()
        if early:
            self.data_received(early)

    def close_session(self, session: Session, code: int, reason: str) -> None:
        """Send a close frame, and give the client some time to answer it."""
        self.write(session.close(code, reason))
        session.forget_messages()
        self.call.wake()
        if not session.ended:
            self._ping_due = FOREVER
            self.deadline = monotonic() + CLOSE_TIMEOUT
            self._resume_reading()

    def end_denied(self, cut: bool, delimited: bool) -> None:
        """Close after a response that denies the WebSocket."""
        self.release()
        if self._lost:
            return
        self._return_transport()
        if cut:
            self._http.cut(visibly=delimited)
        else:
            self._http.linger()

    def release(self) -> None:
        """Let the memory of what has come too early go; the call has ended."""
        self._early = b""

    def on_taken(self) -> None:
        """Read on if there is room for more, since the application has taken a message."""
        session = self.call.session
        if session is not None and not self._reading and not self._is_full(session):
            self._resume_reading()
            if not session.closing:
                self._schedule_ping()

    # -- deadlines and the end ---------------------------------------------------------

    def _is_full(self, session: Session) -> bool:
        options = self.host.websocket
        full = len(session.messages) >= options.max_queue or session.queued >= options.max_size
        return full and not session.closing

    def _schedule_ping(self) -> None:
        interval = self.host.websocket.ping_interval
        self._ping_due = self.deadline = monotonic() + interval if interval else FOREVER

    def expire(self, now: float) -> None:
        """Act on a deadline that has passed: of writing, a close, a pong, or the next ping."""
        session = self.call.session
        self.deadline = FOREVER
        if self.write_paused:
            self._expire_write(now)
        elif session is None or session.closing:
            self.transport.abort()
        elif not session.pings:
            self.write(session.ping(os.urandom(4)))
            timeout = self.host.websocket.ping_timeout
            self._ping_due = now + self.host.websocket.ping_interval
            self.deadline = now + timeout if timeout else FOREVER
        elif self._reading:
            self.host.log.debug("A websocket has not answered a ping")
            self.write(session.close(PING_TIMEOUT, "no answer to a ping"))
            session.code, session.reason = ABNORMAL, ""
            self._hang_up()
            self.call.wake()
        # Otherwise its answer may be there, behind messages that the application does not take.

    def _expire_write(self, now: float) -> None:
        size = self.transport.get_write_buffer_size()
        if size >= self._buffered:
            self.transport.abort()
            return
        self._buffered = size
        self.deadline = now + self.host.limits.write_timeout

    def _hang_up(self) -> None:
        """Close the connection, as the server's part is to do that (RFC 6455 section 7.1.1)."""
        if not self._closing and not self._lost:
            self._return_transport()
            self._http.linger()

    def _return_transport(self) -> None:
        """Give the transport back to the HTTP connection, which knows how to end it."""
        self._closing = True
        self.host.connections.discard(self)
        self.host.connections.add(self._http)
        self.transport.set_protocol(self._http)
        session = self.call.session
        if session is not None:
            session.ended = True

    def stop(self) -> None:
        """Close the socket, because the worker stops, and tell the application."""
        session = self.call.session
        if session is None:
            self.call.leave(self.host.stop_code())
        elif session.code is None:
            self.close_session(session, self.host.stop_code(), "")

    def close(self) -> None:
        """Close the connection at once."""
        self.transport.abort()

    def lose_transport(self, leave: Leave) -> asyncio.Transport:
        """Give the transport up, in a process that the application has forked, and return it."""
        transport = self.transport
        lost = cast(asyncio.Transport, LostTransport(leave, self.call.request))
        self.transport = self._http.transport = lost
        return transport

    # -- reading ---------------------------------------------------------------------

    def _pause_reading(self) -> None:
        if self._reading and not self.transport.is_closing():
            self._reading = False
            self.transport.pause_reading()

    def _resume_reading(self) -> None:
        if not self._reading and not self.transport.is_closing():
            self._reading = True
            self.transport.resume_reading()
