"""One HTTP request in the application: the ``receive`` and ``send`` that it is called with."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from corn_asgi.files import FilePart, send_file
from corn_asgi.messages import (
    BadMessage,
    ClientGone,
    Message,
    comes_from,
    kind_of,
    reason_of,
)
from corn_asgi.response import NOTHING, ResponseEncoder
from corn_asgi.running import RunningCall
from corn_core.http import CONTINUE
from corn_core.plugin import BadRequest, escape
from corn_core.worker import RequestTimeout

if TYPE_CHECKING:
    from corn_asgi.host import Client
    from corn_core.http import Request
    from corn_core.worker import Exchange

UNEXPLAINED = "The server could not answer this request. Its error log says why."

FOREVER = float("inf")

# Where the body of the request is.
_TO_COME, _WANTED, _TAKEN, _BROKEN = range(4)


class HttpCall(RunningCall):
    """A request, from its head to the end of the application's call, or of its response.

    The body stays in the connection's parser until the application asks for it.

    :ivar response: what the application has answered so far.
    """

    __slots__ = (
        "_body",
        "_connection",
        "_continue",
        "_gone",
        "_left",
        "_log",
        "response",
    )

    def __init__(self, connection: Client, request: Request, exchange: Exchange) -> None:
        # Not by super(), which takes longer than the rest of this.
        RunningCall.__init__(self, connection.host, request, exchange)
        self._connection = connection
        self._log = connection.host.log
        self._body = _TO_COME
        self._continue = request.expect_continue
        self._gone = False  # nothing can be sent any more
        self._left = False  # the application is to hear of a disconnect
        self.response = ResponseEncoder(request, request.keep_alive and connection.host.keeps)

    # -- what the connection tells ---------------------------------------------------

    def on_data(self) -> bool:
        """Take note that something has arrived. Returns False if nothing more should, for now."""
        if self._body != _WANTED:
            return False
        self._body = _TO_COME
        self._connection.deadline = FOREVER
        self.wake()
        return True

    def on_end_of_input(self) -> None:
        """Take note that the client sends no more: for all that can be known, it has left."""
        self._left = True
        self.wake()

    def on_disconnect(self) -> None:
        """Take note that the connection is lost: nothing can be sent any more."""
        self._gone = self._left = True
        self.wake()

    def on_timeout(self) -> None:
        """Refuse a client that has paused for too long within the body."""
        if self._body == _WANTED:
            self._refuse(RequestTimeout("the client paused for too long within the body"))

    # -- receive ---------------------------------------------------------------------

    async def receive(self) -> dict[str, Any]:
        """Return the next part of the body, and when there is none, that the client is gone."""
        while True:
            message = self._next_message()
            if message is not None:
                return message
            await self._wait()

    def _next_message(self) -> dict[str, Any] | None:
        if self._gone or self.response.state == NOTHING:
            return {"type": "http.disconnect"}
        if self._body == _TAKEN:
            return {"type": "http.disconnect"} if self._left else None
        try:
            return self._next_part()
        except BadRequest as error:
            self._refuse(error)
            return {"type": "http.disconnect"}

    def _next_part(self) -> dict[str, Any] | None:
        parser = self._connection.parser
        piece = parser.read_body()
        if piece is None:
            self._take_all()
            return {"type": "http.request", "body": b"", "more_body": False}
        if not piece:
            if self._left:
                self._body = _BROKEN  # the rest will not come
                return {"type": "http.disconnect"}
            self._want_more()
            return None
        return {"type": "http.request", "body": piece, "more_body": self._has_more()}

    def _has_more(self) -> bool:
        """Tell whether the body goes on after a part that was complete."""
        try:
            rest = self._connection.parser.read_body()
        except BadRequest:
            return True  # it is raised again when the application asks for more
        if rest is None:
            self._take_all()
        return rest is not None

    def _take_all(self) -> None:
        """Take note that the body is complete: what is read now tells when the client leaves."""
        self._body = _TAKEN
        connection = self._connection
        connection.deadline = FOREVER
        if not connection.parser.buffered:
            connection.resume_reading()

    def _want_more(self) -> None:
        connection = self._connection
        self._body = _WANTED
        if self._continue:
            # RFC 9110 section 10.1.1: only when the application wants the body.
            self._continue = False
            if not self.response.begun:
                connection.write(CONTINUE)
        timeout = connection.host.limits.body_timeout
        if timeout and not connection.write_paused:
            connection.deadline = monotonic() + timeout
        connection.resume_reading()

    def _refuse(self, error: BadRequest) -> None:
        """End a request whose body cannot be read."""
        connection, request = self._connection, self.request
        uri = escape(request.uri)
        log = self._log.debug if isinstance(error, RequestTimeout) else self._log.warning
        log(
            "Invalid request from ip=%s: %s %s: %s",
            *(connection.info.peer_host, request.method, uri, escape(str(error))),
        )
        self._gone = self._left = True
        if self.response.begun:
            self._finish(cut=True)
        else:
            connection.write(self.response.error(error.status, str(error)))
            self._finish()
        self.wake()

    # -- send ------------------------------------------------------------------------

    async def send(self, message: Message) -> None:
        """Take a message of the response, and wait while the client does not read.

        :raises BadMessage: when it is not allowed; nothing of it was sent then.
        :raises ClientGone: when the client would not get it.
        """
        try:
            kind = message["type"] if type(message) is dict else kind_of(message)
        except KeyError:
            kind = kind_of(message)
        if self._gone:
            raise ClientGone("the client has closed the connection")
        response = self.response
        if kind == "http.response.start":
            response.start(message)
            return
        connection = self._connection
        if kind == "http.response.body":
            if self._continue and not response.begun:
                # The client may or may not send its body now: what follows cannot be known.
                response.keep_alive = False
            data = response.body(message)
        elif kind in ("http.response.pathsend", "http.response.zerocopysend"):
            await self._send_file(message)
            return
        elif kind == "http.response.trailers":
            data = response.trailers(message)
        elif kind == "http.response.early_hint":
            data = response.early_hint(message)
        else:
            raise BadMessage(f"unknown message {kind!r} for an HTTP request")
        if data:
            connection.transport.write(data)
        if response.state == NOTHING:
            self._finish(cut=bool(response.problem))
        if connection.write_paused and not self._gone:
            await connection.drained()

    async def _send_file(self, message: Message) -> None:
        response, connection = self.response, self._connection
        with FilePart(message) as part:
            head = response.region(message, part.count)
            if head:
                connection.write(head)
            count = response.allowed(part.count)
            if count:
                plain = connection.host.send_file_allowed
                await send_file(connection, part, count, plain)
            if self._gone:
                raise ClientGone("the client has closed the connection")
            data = response.region_sent(message, count)
        if data:
            connection.write(data)
        if response.state == NOTHING:
            self._finish(cut=bool(response.problem))

    # -- the end ---------------------------------------------------------------------

    def _on_return(self) -> None:
        if self.response.state == NOTHING:
            return
        self._leave_if_forked()
        self._end("was not answered: the application returned before its response was complete")

    def _on_cancelled(self) -> None:
        self._end("was cancelled before its response was complete")

    def _on_failure(self, error: BaseException) -> None:
        uri = escape(self.request.uri)
        if self._gone and comes_from(error, ClientGone):
            # What it was told has come out of it, which is what the specification proposes.
            self._log.debug("Client gone during %s %s", self.request.method, uri)
        else:
            self._log.error("Error handling request %s", uri, exc_info=error)
        self._end("")

    def _end(self, problem: str) -> None:
        """End the response with the call: whatever is missing of it is not going to come."""
        response = self.response
        if response.state == NOTHING:
            return
        if self._gone:
            self._finish()
            return
        if self._body == _BROKEN and not response.begun:
            # The client has left in the middle of its request, and the application was told so:
            # that it has nothing to say is not a mistake.
            response.keep_alive = False
            self._finish()
            return
        if problem:
            request = self.request
            self._log.error("Request %s %s %s", request.method, escape(request.uri), problem)
        if response.begun:
            self._finish(cut=True)
        else:
            self._connection.write(response.error(500, UNEXPLAINED))
            self._finish()

    def _finish(self, cut: bool = False) -> None:
        """Tell that the response is complete, or as complete as it gets, and go on."""
        response, connection, request = self.response, self._connection, self.request
        if response.problem:
            self._log.error("Response to %s %s", escape(request.uri), response.problem)
        if cut:
            cut = response.missing
        response.state = NOTHING
        status = response.status
        if status and (not self._gone or response.begun):
            self._exchange.end(status, reason_of(status), response.headers, response.sent)
        else:
            self._exchange.abandon()
        if self._waiters:
            self.wake()
        if connection.call is not self:
            return  # it is lost, or on to other requests
        if cut:
            connection.cut(visibly=response.delimited)
        else:
            connection.finish(response.keep_alive, not request.has_body)
