"""One response, from what the application returns to what the sink gets.

The head is sent together with the first piece of the body, so that an error page can still be sent
for an application that fails before it has produced anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from corn_core.dates import http_date
from corn_core.errors import BadResponse, ClientDisconnected
from corn_core.http import (
    LAST_CHUNK,
    Request,
    ResponseHead,
    encode_chunk,
    encode_head,
    encode_informational,
    error_page,
)
from corn_core.interfaces import ResponseSink
from corn_core.wsgi.files import FileWrapper

JOIN_LIMIT = 256 * 1024
"""The most bytes for which the pieces of a list are joined; more are sent one by one."""

_READ_LIMIT = 64 * 1024
"""The longest file that is read, and sent in one system call with the head."""


class Response:
    """The response to one request; ``start_response`` and ``write`` of PEP 3333 are here.

    :ivar status: the status line's code and reason; empty until the application gives it.
    :ivar headers: the fields as the application gave them.
    :ivar sent: bytes of the body handed to the sink so far, without chunk framing.
    :ivar duration: seconds from the request's complete arrival to the end of the response; set
        before logs and hooks get the response.
    :ivar head: the head as it was handed to the sink; ``None`` until then.
    :ivar complete: whether the sink has all of the response that its head announced.
    :ivar problem: how the body contradicts its length, for the log; usually empty.
    """

    __slots__ = (
        "_gone",
        "_keep_alive",
        "_lead",
        "_left",
        "_request",
        "_sink",
        "_surplus",
        "complete",
        "duration",
        "head",
        "headers",
        "problem",
        "sent",
        "status",
    )

    def __init__(self, request: Request | None, sink: ResponseSink, keep_alive: bool) -> None:
        self._request = request
        self._sink = sink
        self._keep_alive = keep_alive
        self._gone = False
        self._lead = b""
        self._left: int | None = None
        self._surplus = False
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self.sent = 0
        self.duration = 0.0
        self.head: ResponseHead | None = None
        self.complete = False
        self.problem = ""

    @property
    def status_code(self) -> int:
        """The status as a number; 0 while there is none."""
        return int(self.status[:3] or 0)

    # -- what the application calls --------------------------------------------------

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """Take status and fields, without sending anything yet; returns :meth:`write`."""
        if exc_info:
            try:
                if self.head is not None:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                # The traceback refers to this frame, which would be a cycle.
                exc_info = None
        elif self.status:
            raise AssertionError("start_response was called twice without exc_info")
        if not isinstance(status, str):
            raise TypeError(f"the status must be str, not {type(status).__name__}")
        self.headers = headers if type(headers) is list else list(headers)
        self.status = status
        return self.write

    def write(self, data: bytes) -> None:
        """Send a piece of the body now; for applications that cannot return an iterable."""
        _check(data)
        if self.complete:
            # Probably another thread; the connection may be sending the next response by now.
            raise BadResponse("write() was called after the end of the response")
        if data:
            self._put(data)

    def early_hints(self, headers: Sequence[tuple[str, str]]) -> None:
        """Send 103 (RFC 8297), as ``wsgi.early_hints``; does nothing after the head is sent."""
        if self.head is None:
            self._send(encode_informational("103 Early Hints", headers))

    # -- what the request cycle calls ------------------------------------------------

    def send_list(self, pieces: Sequence[bytes]) -> None:
        """Send a body that is complete, so that its length is known before the head is sent."""
        data = pieces[0] if len(pieces) == 1 else None
        if type(data) is bytes:
            length = len(data)
        else:
            for piece in pieces:
                _check(piece)
            length = sum(map(len, pieces))
        if self.head is not None or length > JOIN_LIMIT:
            # The application has called write() before, or they are too long for a copy.
            if self.head is None:
                self._begin(length)
            self.send_iterable(pieces)
            return
        if data is None:
            data = b"".join(pieces)
        head = self._begin(length)
        if head.has_body and head.content_length == length:
            self._sink.send(head.data + data)
            self.sent = length
            self.complete = True
        else:
            self._put(data)
            self.finish()

    def send_iterable(self, pieces: Iterable[bytes], may_exceed: bool = False) -> None:
        """Send each piece at once; PEP 3333 forbids holding one back until the next.

        :param may_exceed: whether a body longer than its Content-Length is acceptable, as it is
            for a file.
        """
        for piece in pieces:
            if type(piece) is not bytes:
                _check(piece)
            if piece and not self._put(piece):
                break
        self.finish(may_exceed)

    def send_file(self, wrapper: FileWrapper, directly: bool) -> None:
        """Send the rest of a file, or as much of it as Content-Length says.

        :param directly: whether the sink may send the file without the worker reading it.
        """
        region = wrapper.region() if directly and self.head is None else None
        if region is None:
            self.send_iterable(wrapper, may_exceed=True)
        elif region.size <= _READ_LIMIT:
            data = os.pread(region.fd, region.size, region.offset)
            self._begin(len(data))
            self._put(data)
            self.finish(may_exceed=True)
        else:
            head = self._begin(region.size)
            self._send(self._take_lead())
            if head.has_body:
                count = region.size if self._left is None else min(region.size, self._left)
                self._sink.send_file(region.fd, region.offset, count)
                self.sent += count
                self._left = None if self._left is None else self._left - count
            self.finish()

    def finish(self, may_exceed: bool = False) -> None:
        """End the body: send what its framing still needs, and check its length."""
        head = self.head or self._begin(0)
        if self._lead:
            self._send(self._take_lead())
        if self._left:
            self.problem = f"ends {self._left} bytes before its Content-Length"
        elif self._surplus and not may_exceed:
            self.problem = f"is longer than its Content-Length of {head.content_length} bytes"
        elif head.chunked:
            self._send(LAST_CHUNK)
        self.complete = not self.problem

    def replace(self, status: int, reason: str, message: str) -> None:
        """Answer with an error page instead, and close; only while :attr:`head` is ``None``."""
        self.headers, page = error_page(status, reason, message)
        self.status = f"{status} {reason}"
        self._keep_alive = False
        self.send_list([page])

    def cut_short(self) -> None:
        """Make sure that the client can tell that the body is incomplete.

        Usually it can, because the last chunk or a part of Content-Length is missing. Where the
        end of the connection is the end of the body (RFC 9112 section 6.3 rule 8), the connection
        has to be aborted.
        """
        head = self.head
        if head is not None and head.has_body and not head.chunked and head.content_length is None:
            self._sink.abort()

    # -- towards the sink ------------------------------------------------------------

    def _begin(self, length: int | None) -> ResponseHead:
        """Encode the head, which is then sent with the first piece of the body.

        :param length: the length of the body, if it is known.
        """
        if not self.status:
            raise BadResponse("the application did not call start_response")
        request = self._request
        method, version = ("GET", (1, 1)) if request is None else (request.method, request.version)
        if not length and method == "HEAD":
            # The application may have left out the body of HEAD, so its length is not known.
            length = None
        head = encode_head(
            self.status,
            self.headers,
            method=method,
            version=version,
            keep_alive=self._keep_alive,
            date=http_date(),
            body_length=length,
        )
        self.head = head
        self._lead = head.data
        self._left = head.content_length if head.has_body else None
        return head

    def _put(self, data: bytes) -> bool:
        """Send a piece of the body, framed, and with the head if it is the first.

        Returns False if no more of the body can be sent.
        """
        head = self.head or self._begin(None)
        if head.chunked and not self._lead and not self._gone:
            # Most pieces of a stream are in its midst. As in _send(), which would be one more call
            # for each of them.
            try:
                self._sink.send(encode_chunk(data))
            except ClientDisconnected:
                self._gone = True
                raise
            self.sent += len(data)
            return True
        if not head.has_body:
            data = b""
        elif self._left is not None:
            if len(data) > self._left:
                data = data[: self._left]
                self._surplus = True
            self._left -= len(data)
        frame = encode_chunk(data) if head.chunked else data
        if self._lead:
            lead = self._take_lead()
            if len(frame) > JOIN_LIMIT:
                self._send(lead)
            else:
                frame = lead + frame
        if frame:
            self._send(frame)
            self.sent += len(data)
        return head.has_body and not self._surplus

    def _take_lead(self) -> bytes:
        lead, self._lead = self._lead, b""
        return lead

    def _send(self, data: bytes) -> None:
        # An application may swallow the exception that write() raised. It gets another one here,
        # so that the worker does not wait for the client again.
        if self._gone:
            raise ClientDisconnected("the client had gone before")
        try:
            self._sink.send(data)
        except ClientDisconnected:
            self._gone = True
            raise


def _check(piece: object) -> None:
    if not isinstance(piece, bytes):
        raise TypeError(f"the pieces of a response must be bytes, not {type(piece).__name__}")
