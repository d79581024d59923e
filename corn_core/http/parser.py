"""The parser of one connection: bytes in, requests and bodies out."""

from __future__ import annotations

from corn_core.errors import BadRequest, BadRequestLine, TruncatedRequest
from corn_core.http.body import Broken, ChunkedBody, SizedBody
from corn_core.http.framing import frame_request
from corn_core.http.head import Request, read_fields, read_intentions, read_request_line
from corn_core.http.known import KnownFields, remember
from corn_core.http.limits import Limits
from corn_core.http.watch import HeadWatch

_CRLF = b"\r\n"

CHANCES = 3
"""How often the fields of a connection are remembered, when its client keeps changing them."""


class RequestParser:
    """Turns the bytes of one connection into requests and their bodies, one after another.

    Feed it what the client sends; ask for :meth:`next_request`, then :meth:`read_body` until
    that is ``None``, then for the next request. After an error the connection has to be
    closed; whatever is asked from then on raises the same error.

    :ivar error_request: what is known of the request whose head could not be accepted, for
        the access log; ``None`` when it failed in its first line.
    """

    __slots__ = (
        "_at_eof",
        "_body",
        "_chances",
        "_data",
        "_known",
        "_limits",
        "_searched",
        "_skipped",
        "_start",
        "_watch",
        "error_request",
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # A bytearray as soon as something must be appended, for that is not to copy it all.
        self._data: bytes | bytearray = b""
        # Where the first octet is that is not taken yet, and up to where the blank line was
        # searched for.
        self._start = 0
        self._searched = 0
        self._body: SizedBody | ChunkedBody | Broken | None = None
        self._watch: HeadWatch | None = None
        self._skipped = False
        self._at_eof = False
        # How often fields may still be remembered that nobody sends again; not those of the first
        # request, which most often is the only one.
        self._chances = CHANCES + 1
        self._known: KnownFields | None = None
        self.error_request: Request | None = None

    # -- what comes in ---------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Add what the client has sent; nothing is not the end of it, see :meth:`eof`.

        The bytes are kept, not copied, as long as all that came before them is taken.
        """
        held = self._data
        start = self._start
        if start == len(held):
            self._data = data
            self._start = self._searched = 0
            return
        if isinstance(held, bytes):
            self._data = held = bytearray(held[start:])
        else:
            del held[:start]
        held += data
        self._start = 0
        self._searched -= start

    def eof(self) -> None:
        """The client has closed its side; ask when :meth:`next_request` or :meth:`read_body`
        has found that more is needed.

        :raises TruncatedRequest: in the middle of a message (RFC 9112 section 8).
        """
        self._at_eof = True
        if isinstance(self._body, Broken):
            return
        # A complete head may be waiting still, pipelined behind a request that is being served.
        if self._body is not None or (self.mid_head and not self._has_head()):
            self._fail_truncated()

    @property
    def mid_head(self) -> bool:
        """Whether some of a head is here, but not asked for or not complete."""
        return self._body is None and self._start < len(self._data)

    @property
    def buffered(self) -> bool:
        """Whether bytes were fed that are not taken yet."""
        return self._start < len(self._data)

    def unread(self) -> bytes:
        """Hand over what was fed and not taken: what follows the current message."""
        rest = bytes(self._data[self._start :])
        self._data = b""
        self._start = self._searched = 0
        return rest

    # -- what goes out ---------------------------------------------------------------

    def next_request(self) -> Request | None:
        """The next request, as soon as its head is complete; ``None`` when it is not.

        :raises BadRequest: what is wrong with it, as early as that is certain.
        :raises RuntimeError: when the body of the request before was not read.
        """
        if self._body is not None:
            self._refuse_next()
        data = self._data
        start = self._start
        end = data.find(b"\r\n\r\n", self._searched)
        if end < 0:
            return self._await_head()
        head = bytes(data[start:end])
        if self._known is not None and len(head) <= self._limits.unsuspicious:
            request = self._known.recall(head)
            if request is not None:
                self._advance(end + 4)
                return request
        lines = head.split(_CRLF)
        line = lines.pop(0)
        if not line:
            return self._skip_empty_line()
        request = None
        limits = self._limits
        try:
            if len(head) > limits.unsuspicious or len(lines) > limits.most_fields:
                self._look()
            request = read_request_line(line)
            request.head = head
            read_fields(request, lines, limits)
            frame_request(request, limits.body)
            read_intentions(request)
        except BadRequest as error:
            self._fail(error, request)
            raise
        self._advance(end + 4)
        if request.chunked:
            self._body = ChunkedBody(request, limits)
        elif request.content_length:
            self._body = SizedBody(request.content_length)
        elif self._chances:
            if self._chances <= CHANCES:
                self._known = remember(request, head[len(line) :])
            self._chances -= 1
        return request

    def _advance(self, end: int) -> None:
        """A head that ends here has been taken."""
        if end == len(self._data):
            self._data = b""
            end = 0
        self._start = self._searched = end
        self._skipped = False
        self._watch = None

    def read_body(self) -> bytes | None:
        """What there is of the body; empty when more is needed, ``None`` when it is complete.

        :raises BadRequest: for malformed chunks and trailers, and too much of either.
        """
        body = self._body
        if body is None:
            return None
        try:
            piece, self._start = body.take(self._data, self._start)
        except BadRequest as error:
            self._body = Broken(error)
            raise
        if self._start == len(self._data):
            # An idle connection is not to keep what a large body came in.
            self._data = b""
            self._start = 0
        self._searched = self._start
        if body.complete:
            self._body = None
            return piece or None
        if not piece and self._at_eof:
            self._fail_truncated()
        return piece

    # -- heads that are not complete, or not right -----------------------------------

    def _await_head(self) -> Request | None:
        """Judge what there is of a head, and remember how far the blank line was searched."""
        data = self._data
        start = self._start
        if start == len(data):
            return None
        if data.startswith(_CRLF, start):
            return self._skip_empty_line()
        # The blank line's CRLFCRLF may have begun in the last three octets.
        self._searched = max(start, len(data) - 3)
        try:
            self._look()
        except BadRequest as error:
            self._fail(error, None)
            raise
        if self._at_eof:
            self._fail_truncated()
        return None

    def _look(self) -> None:
        if self._watch is None:
            self._watch = HeadWatch(self._limits)
        self._watch.look(self._data, self._start)

    def _skip_empty_line(self) -> Request | None:
        """Skip one CRLF before a request line, and no more (RFC 9112 section 2.2).

        Old clients send it after a body. It does not count as the beginning of a head.
        """
        if self._skipped:
            error = BadRequestLine("empty lines instead of a request line")
            self._fail(error, None)
            raise error
        self._skipped = True
        self._watch = None
        self._start += 2
        self._searched = self._start
        return self.next_request()

    def _has_head(self) -> bool:
        return self._data.find(b"\r\n\r\n", self._start) >= 0

    def _fail(self, error: BadRequest, request: Request | None) -> None:
        if request is None and self._watch is not None:
            request = self._watch.request
        self.error_request = request
        self._body = Broken(error)

    def _fail_truncated(self) -> None:
        part = "head" if self._body is None else "body"
        error = TruncatedRequest(f"the connection ended within the {part} of a request")
        self._fail(error, None)
        raise error

    def _refuse_next(self) -> None:
        if isinstance(self._body, Broken):
            raise self._body.error
        raise RuntimeError("the body of the previous request was not read")
