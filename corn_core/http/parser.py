"""The parser of one connection: bytes in, requests and bodies out."""

from __future__ import annotations

from corn_core.errors import BadRequest, BadRequestLine, TruncatedRequest
from corn_core.http.body import Broken, ChunkedBody
from corn_core.http.framing import frame_request
from corn_core.http.head import Request, read_fields, read_intentions, read_request_line
from corn_core.http.limits import Limits
from corn_core.http.partial import HeadWatch
from corn_core.http.repeat import KnownFields, remember

_CRLF = b"\r\n"

CHANCES = 3
"""How often to remember a connection's fields while its client keeps changing them."""


class RequestParser:
    """Turns the bytes of one connection into requests and their bodies, one after another.

    Feed it what the client sends. Call :meth:`next_request`, then :meth:`read_body` until that
    returns ``None``, then go on with the next request. After an error the connection must be
    closed; every further call raises the same error.

    :ivar in_body: whether the body of the last request is to be read, see :meth:`read_body`.
    :ivar error_request: what is known about a request whose head was not acceptable, for the
        access log; ``None`` when its first line was the problem.
    """

    __slots__ = (
        "_at_eof",
        "_body",
        "_chances",
        "_data",
        "_known",
        "_left",
        "_limits",
        "_searched",
        "_skipped",
        "_start",
        "_watch",
        "error_request",
        "in_body",
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # Becomes a bytearray when something is appended, so that appending does not copy it all.
        self._data: bytes | bytearray = b""
        # The position of the first octet not yet taken, and the position up to which the blank
        # line has been searched for.
        self._start = 0
        self._searched = 0
        # What decodes a body in chunks, and the octets that are left of one whose length the head
        # has announced (RFC 9112 section 6.2).
        self._body: ChunkedBody | Broken | None = None
        self._left = 0
        self._watch: HeadWatch | None = None
        self._skipped = False
        self._at_eof = False
        # How many more times fields may be remembered without being sent again. The first request
        # does not count, because it is usually the only one.
        self._chances = CHANCES + 1
        self._known: KnownFields | None = None
        self.in_body = False
        self.error_request: Request | None = None

    # -- what comes in ---------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Add bytes that the client has sent. Empty bytes do not mean its end, see :meth:`eof`.

        The bytes are kept without copying if everything before them has been taken.
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
        """Note that the client has closed its side.

        Call it when :meth:`next_request` or :meth:`read_body` has asked for more.

        :raises TruncatedRequest: in the middle of a message (RFC 9112 section 8).
        """
        self._at_eof = True
        if isinstance(self._body, Broken):
            return
        # A complete head may still be waiting, pipelined behind a request that is being served.
        if self.in_body or (self.mid_head and not self._has_head()):
            self._fail_truncated()

    @property
    def mid_head(self) -> bool:
        """True if part of a head has arrived, or a whole one that was not asked for yet."""
        return not self.in_body and self._start < len(self._data)

    @property
    def buffered(self) -> bool:
        """True if some of the bytes fed have not been taken yet."""
        return self._start < len(self._data)

    def unread(self) -> bytes:
        """Hand over the bytes that were fed and not taken: those after the current message."""
        rest = bytes(self._data[self._start :])
        self._data = b""
        self._start = self._searched = 0
        return rest

    # -- what goes out ---------------------------------------------------------------

    def next_request(self) -> Request | None:
        """Take the next request, as soon as its head is complete.

        A request is returned as soon as its head is complete and acceptable. If it has a body,
        :meth:`read_body` must be called until it returns ``None`` before the next request can be
        taken; without one, the parser is ready for the next request at once. ``None`` means that
        more bytes are needed: feed them and call it again.

        :raises BadRequest: what is wrong with the head, as early as that is certain, even before
            the head is complete. ``error_request`` is set, and the parser stays broken.
        :raises TruncatedRequest: when the client closed its side within a head.
        :raises RuntimeError: when the body of the previous request has not been read. The caller
            has a bug; the parser is unchanged.
        """
        if self.in_body:
            self._refuse_next()
        data = self._data
        start = self._start
        end = data.find(b"\r\n\r\n", self._searched)
        if end < 0:
            return self._await_head()
        head = bytes(data[start:end])
        # The fast path for fields seen before on this connection. It comes before the split, which
        # is what it saves. Up to this length no line of a head can exceed its limit, and the
        # number of fields is the same as when they were accepted, so no limit need be checked.
        known = self._known
        if (
            known is not None
            and (head == known.head or (head.endswith(known.ending) and known.recognise(head)))
            and len(head) <= self._limits.unsuspicious
        ):
            self._advance(end + 4)
            again = known.request.again()
            if again.content_length:
                self._left = again.content_length
                self.in_body = True
            return again
        lines = head.decode("latin-1").split("\r\n")
        line = lines.pop(0)
        if not line:
            return self._skip_empty_line()
        request = None
        limits = self._limits
        try:
            # Only a head that is long or has many fields can exceed a limit. The watch finds out
            # which, in the order in which the bytes arrived, so that a head gets the same answer
            # whether it came in one piece or in many.
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
        self.in_body = request.has_body
        if request.chunked:
            self._body = ChunkedBody(request, limits)
            return request
        self._left = request.content_length or 0
        if self._chances:
            # Such a request may repeat. Remembering costs time, so a client whose fields change
            # each time uses up its chances.
            if self._chances <= CHANCES:
                self._known = remember(request, head[len(line) :])
            self._chances -= 1
        return request

    def _advance(self, end: int) -> None:
        """Mark everything up to ``end`` as taken, and prepare for the next head."""
        if end == len(self._data):
            self._data = b""
            end = 0
        self._start = self._searched = end
        self._skipped = False
        self._watch = None

    def read_body(self) -> bytes | None:
        """Take the part of the body that has arrived.

        Returns empty bytes when more is needed, and ``None`` when the body is complete. With its
        last part, ``in_body`` becomes False; to call this once more is not necessary then.

        :raises BadRequest: for malformed chunks and trailers, and too much of either.
        """
        if not self.in_body:
            return None
        data = self._data
        start = self._start
        body = self._body
        if body is None:
            piece = bytes(data[start : start + self._left])
            start += len(piece)
            self._left -= len(piece)
            complete = not self._left
        else:
            try:
                piece, start = body.take(data, start)
            except BadRequest as error:
                self._break(error)
                raise
            complete = body.complete
        if start == len(data):
            # An idle connection should not keep the buffer of a large body.
            self._data = b""
            start = 0
        self._start = self._searched = start
        if complete:
            self._body = None
            self.in_body = False
            return piece or None
        if not piece and self._at_eof:
            self._fail_truncated()
        return piece

    # -- heads that are not complete, or not right -----------------------------------

    def _await_head(self) -> Request | None:
        """Check an incomplete head, and remember how far the blank line was searched for."""
        data = self._data
        start = self._start
        if start == len(data):
            return None
        if data.startswith(_CRLF, start):
            return self._skip_empty_line()
        # The CRLFCRLF may begin within the last three octets.
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

        Old clients send one after a body. It does not count as the beginning of a head.
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
        self._break(error)

    def _break(self, error: BadRequest) -> None:
        self._body = Broken(error)
        self.in_body = True

    def _fail_truncated(self) -> None:
        part = "body" if self.in_body else "head"
        error = TruncatedRequest(f"the connection ended within the {part} of a request")
        self._fail(error, None)
        raise error

    def _refuse_next(self) -> None:
        if isinstance(self._body, Broken):
            raise self._body.error
        raise RuntimeError("the body of the previous request was not read")
