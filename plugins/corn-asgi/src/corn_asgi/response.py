"""One response: from the application's messages to the octets on the wire, without I/O."""

from __future__ import annotations

from collections.abc import Sequence

from corn_asgi.heads import ResponseFields, fields_of
from corn_asgi.messages import (
    BadMessage,
    Message,
    read_bytes,
    read_fields,
    read_status,
    reason_of,
)
from corn_core.http import (
    LAST_CHUNK,
    Request,
    ResponseHead,
    encode_chunk,
    encode_informational,
    error_page,
    read_field,
)
from corn_core.worker import BadResponse

# What the application has to send next.
START, BODY, TRAILERS, NOTHING = range(4)


class ResponseEncoder:
    """Turns the messages of one response into octets, and refuses those that do not fit.

    The head is held back until the first message with a body, as the specification asks. Octets are
    returned by the method that was given the message, for the caller to write at once.

    :param keep_alive: whether the connection may be used for another request.
    :ivar status: the status, 0 before the application has said it.
    :ivar headers: the application's own fields, for hooks and logs.
    :ivar sent: octets of the body.
    :ivar state: what comes next; ``NOTHING`` when the response is complete.
    :ivar keep_alive: whether the client was told, or is to be told, that it may go on.
    :ivar problem: what was wrong with the body, which has been corrected or cut short.
    """

    __slots__ = (
        *("_ended", "_fields", "_fields_of_trailers", "_left", "_method", "_trailers", "_version"),
        *("head", "headers", "keep_alive", "problem", "sent", "state", "status"),
    )

    def __init__(self, request: Request, keep_alive: bool) -> None:
        self._method = request.method
        self._version = request.version
        self._left: int | None = None
        self._ended = False
        self._trailers = False
        self._fields: ResponseFields
        self.head: ResponseHead | None = None
        self.headers: Sequence[tuple[str, str]] = ()
        self.keep_alive = keep_alive
        self.problem = ""
        self.sent = 0
        self.state = START
        self.status = 0

    @property
    def begun(self) -> bool:
        """True if octets of it may be on their way already."""
        return self.head is not None

    @property
    def complete(self) -> bool:
        """True if nothing is missing."""
        return self.state == NOTHING

    @property
    def missing(self) -> bool:
        """True if the client has been promised more than it was sent."""
        if self.head is None or not self.head.has_body:
            return False
        return bool(self._left) if self._left is not None else not self._ended

    @property
    def delimited(self) -> bool:
        """True if the client can tell by itself that something is missing."""
        head = self.head
        return head is not None and (head.chunked or head.content_length is not None)

    # -- messages --------------------------------------------------------------------

    def start(self, message: Message) -> None:
        """Take ``http.response.start``, of which nothing is sent yet.

        :raises BadMessage: when it is malformed, or comes a second time.
        """
        if self.state != START:
            self._expect(START, message)
        status = message.get("status")
        if type(status) is not int or not 200 <= status <= 999:
            status = read_status(message)
        self._fields = fields = fields_of(message)
        if fields.closes:
            self.keep_alive = False
        self.status = status
        self.headers = fields.text
        if message.get("trailers"):
            self._trailers = True
            self._fields_of_trailers: list[bytes] = []
        self.state = BODY

    def body(self, message: Message) -> bytes:
        """Take ``http.response.body``, and return what is to be sent.

        :raises BadMessage: when it is malformed or out of order, or the head is.
        """
        if self.state != BODY:
            self._expect(BODY, message)
        data = message.get("body", b"")
        if type(data) is not bytes:
            data = read_bytes(message, "body")
        more = message.get("more_body", False)
        head = self.head
        out = b""
        if head is None:
            length = None if more or self._trailers else len(data)
            head = self._begin(length)
            out = head.data
            if length is not None and length == self._left:
                # The whole response in one piece, as most are.
                self.sent, self._left, self.state = length, 0, NOTHING
                return out + data
        if data and head.has_body:
            out += self._frame(data, head)
        return out if more else out + self._end_body(head)

    def region(self, message: Message, size: int) -> bytes:
        """Take a message that says what file the body is in, and return what comes before it.

        :param size: the octets of the file that are to be sent. The caller sends :meth:`allowed` of
            them and then calls :meth:`region_sent`.
        """
        self._expect(BODY, message)
        more = message.get("more_body", False)
        head = self.head
        out = b""
        if head is None:
            head = self._begin(None if more or self._trailers else size)
            out = head.data
        return out + b"%x\r\n" % size if head.chunked and size else out

    def allowed(self, size: int) -> int:
        """Return how many of so many octets of a file may be sent."""
        head = self.head
        assert head is not None
        if not head.has_body:
            return 0
        if self._left is not None and size > self._left:
            self._report_length(self.sent + size)
            size = self._left
        if self._left is not None:
            self._left -= size
        self.sent += size
        return size

    def region_sent(self, message: Message, size: int) -> bytes:
        """Return what comes after a file of which :meth:`allowed` octets were sent."""
        head = self.head
        assert head is not None
        out = b"\r\n" if head.chunked and size else b""
        return out if message.get("more_body", False) else out + self._end_body(head)

    def trailers(self, message: Message) -> bytes:
        """Take ``http.response.trailers``, and return what is to be sent."""
        self._expect(TRAILERS, message)
        try:
            for field in read_fields(message):
                line, length = read_field(field)
                if length is None:
                    # RFC 9110 section 6.5.1: no framing after the content.
                    self._fields_of_trailers.append(line)
        except BadResponse as error:
            raise BadMessage(str(error)) from None
        if message.get("more_trailers", False):
            return b""
        return self._complete(b"0\r\n" + b"".join(self._fields_of_trailers) + b"\r\n")

    def early_hint(self, message: Message) -> bytes:
        """Take ``http.response.early_hint``, and return the 103; nothing for HTTP/1.0."""
        self._expect(START, message)
        links = message.get("links", ())
        try:
            fields = [("Link", link.decode("latin-1")) for link in links]
            data = encode_informational("103 Early Hints", fields)
        except (AttributeError, TypeError):
            raise BadMessage("'links' of http.response.early_hint must be bytes") from None
        except BadResponse as error:
            raise BadMessage(str(error)) from None
        return data if self._version == (1, 1) else b""

    # -- instead of the application's messages -----------------------------------------

    def error(self, status: int, text: str, fields: Sequence[tuple[str, str]] = ()) -> bytes:
        """Return a page in place of a response of which nothing was sent."""
        assert self.head is None
        self.status = status
        page_fields, page = error_page(status, reason_of(status), text)
        self._fields = ResponseFields([*page_fields, *fields])
        self.headers = self._fields.text
        self._trailers = False
        self.keep_alive = False
        self.state = BODY
        return self.body({"type": "http.response.body", "body": page})

    # -- framing ---------------------------------------------------------------------

    def _begin(self, length: int | None) -> ResponseHead:
        fields, method, version = self._fields, self._method, self._version
        self.head = head = fields.head(self.status, method, version, self.keep_alive, length)
        self.keep_alive = head.keep_alive
        self._left = head.content_length if head.has_body else None
        return head

    def _frame(self, data: bytes, head: ResponseHead) -> bytes:
        left = self._left
        if left is not None:
            if len(data) > left:
                self._report_length(self.sent + len(data))
                data = data[:left]
            self._left = left - len(data)
        self.sent += len(data)
        return encode_chunk(data) if head.chunked else data

    def _report_length(self, size: int) -> None:
        assert self.head is not None
        length = self.head.content_length
        self.problem = f"has a body of {size} bytes or more, and Content-Length: {length}"
        self.keep_alive = False

    def _end_body(self, head: ResponseHead) -> bytes:
        if self._left:
            length = head.content_length
            self.problem = f"has a body of {self.sent} bytes, and Content-Length: {length}"
            self.keep_alive = False
        if self._trailers:
            self.state = TRAILERS
            return b""
        return self._complete(LAST_CHUNK)

    def _complete(self, ending: bytes) -> bytes:
        self.state = NOTHING
        self._ended = True
        head = self.head
        assert head is not None
        return ending if head.chunked and head.has_body else b""

    def _expect(self, state: int, message: Message) -> None:
        if self.state == state:
            return
        wanted = (
            "http.response.start",
            "http.response.body",
            "http.response.trailers",
            "nothing, because the response is complete",
        )[self.state]
        raise BadMessage(f"got {message['type']}, expected {wanted}")
