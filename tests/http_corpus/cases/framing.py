"""The end of a body: Content-Length, Transfer-Encoding, both, and several messages in a row."""

from __future__ import annotations

from dataclasses import replace

from corn_core.errors import (
    BadFieldLine,
    BadFraming,
    BadRequest,
    BadRequestLine,
    CodingNotImplemented,
    TruncatedRequest,
)
from tests.http_corpus.case import Case, Message
from tests.http_corpus.drive import with_fields


def post(lines: bytes, body: bytes = b"") -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n\r\n" + body


def sized(body: bytes, said: str | None = None) -> Message:
    length = str(len(body)) if said is None else said
    return with_fields({"CONTENT_LENGTH": length}, method="POST", body=body)


def bad(
    name: str, rfc: str, lines: bytes, error: type[BadRequest] = BadFraming, body: bytes = b""
) -> Case:
    return Case(name, rfc, post(lines, body), error=error, error_target="/")


CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"
CHUNKED = with_fields({"CONTENT_LENGTH": "5"}, method="POST", body=b"hello")
NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
THE_NEXT = Message(target="/next", path="/next")

LENGTH = (
    Case("a body", "9112 6.2", post(b"Content-Length: 5", b"hello"), (sized(b"hello"),)),
    Case("a body of nothing", "9112 6.2", post(b"Content-Length: 0"), (sized(b""),)),
    Case(
        "zeros before the length",
        "9110 8.6",
        post(b"Content-Length: 0001", b"b"),
        (sized(b"b", "0001"),),
    ),
    Case(
        "a body of NULs and line ends",
        "9112 6.2",
        post(b"Content-Length: 6", b"\0\r\n\r\n\n"),
        (sized(b"\0\r\n\r\n\n"),),
    ),
    Case(
        "GET with a body",
        "9110 9.3.1",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nb",
        (with_fields({"CONTENT_LENGTH": "1"}, body=b"b"),),
    ),
    Case(
        "a body in HTTP/1.0",
        "9112 6.2",
        b"POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\nb",
        (Message("POST", fields={"CONTENT_LENGTH": "1"}, version=(1, 0), keep=False, body=b"b"),),
    ),
    Case(
        "POST without a length",
        "9112 6.3",
        b"POST / HTTP/1.1\r\nHost: a\r\n\r\n",
        (Message("POST"),),
    ),
    bad("an empty length", "9110 8.6", b"Content-Length:"),
    bad("a length with a plus", "9110 8.6", b"Content-Length: +5", body=b"hello"),
    bad("a negative length", "9110 8.6", b"Content-Length: -5", body=b"hello"),
    bad("a length with a fraction", "9110 8.6", b"Content-Length: 5.0", body=b"hello"),
    bad("a length in hex", "9110 8.6", b"Content-Length: 0x5", body=b"hello"),
    bad("a length with an underscore", "9110 8.6", b"Content-Length: 1_0", body=b"0123456789"),
    bad("a length in superscript", "9110 8.6", b"Content-Length: \xb2", body=b"he"),
    bad("a length with a space", "9110 8.6", b"Content-Length: 1 0", body=b"0123456789"),
    bad("a length with a word", "9110 8.6", b"Content-Length: 5 bytes", body=b"hello"),
    bad("a list of lengths", "9112 6.3", b"Content-Length: 5, 6", body=b"hello"),
    bad("a list of equal lengths", "9112 6.3", b"Content-Length: 5, 5", body=b"hello"),
    bad("a length and a comma", "9112 6.3", b"Content-Length: 5,", body=b"hello"),
    bad(
        "two lengths", "9112 6.3", b"Content-Length: 5\r\nContent-Length: 6", BadFieldLine, b"hello"
    ),
    bad("two equal lengths", "9112 6.3", b"Content-Length: 5\r\ncontent-length: 5", BadFieldLine),
    bad("a length that overflows", "9110 8.6", b"Content-Length: 18446744073709551617"),
    bad("a length of 5000 digits", "9110 8.6", b"Content-Length: " + b"1" * 5000),
    bad("a NUL in the length", "9110 5.5", b"Content-Length: 5\x00", BadFieldLine, b"hello"),
    bad("a length on a folded line", "9112 5.2", b"Content-Length:\r\n 5", BadFieldLine, b"hello"),
    bad("a space after Content-Length", "9112 5.1", b"Content-Length : 5", BadFieldLine, b"hello"),
)

CODING = (
    Case("chunked", "9112 7.1", post(b"Transfer-Encoding: chunked", CHUNKS), (CHUNKED,)),
    Case("CHUNKED", "9112 7", post(b"Transfer-Encoding: CHUNKED", CHUNKS), (CHUNKED,)),
    Case(
        "chunked and white space",
        "9112 5",
        post(b"Transfer-Encoding:\t chunked \t", CHUNKS),
        (CHUNKED,),
    ),
    Case(
        "a chunked GET",
        "9112 6",
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
        (replace(CHUNKED, method="GET"),),
    ),
    bad(
        "a length and chunked",
        "9112 6.1",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        body=CHUNKS,
    ),
    bad(
        "chunked and a length",
        "9112 6.1",
        b"Transfer-Encoding: chunked\r\nContent-Length: 15",
        body=CHUNKS,
    ),
    bad(
        "chunked and a length of 0",
        "9112 6.1",
        b"Transfer-Encoding: chunked\r\nContent-Length: 0",
        body=CHUNKS,
    ),
    Case(
        "chunked in HTTP/1.0",
        "9112 6.1",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
        error=BadFraming,
        error_target="/",
    ),
    bad("chunked twice", "9112 6.1", b"Transfer-Encoding: chunked, chunked", body=CHUNKS),
    bad(
        "chunked on two lines",
        "9112 6.1",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        body=CHUNKS,
    ),
    bad("chunked not last", "9112 6.3", b"Transfer-Encoding: chunked, gzip", body=CHUNKS),
    bad(
        "chunked not last, on two lines",
        "9112 6.3",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        body=CHUNKS,
    ),
    bad("an empty coding", "9112 6.1", b"Transfer-Encoding:", body=CHUNKS),
    bad("a comma after chunked", "9112 6.1", b"Transfer-Encoding: chunked,", body=CHUNKS),
    bad("a comma before chunked", "9112 6.1", b"Transfer-Encoding: , chunked", body=CHUNKS),
    bad("chunked with a parameter", "9112 7.1", b"Transfer-Encoding: chunked;a=b", body=CHUNKS),
    bad(
        "gzip, then chunked", "9112 6.1", b"Transfer-Encoding: gzip, chunked", CodingNotImplemented
    ),
    bad("identity", "9112 7", b"Transfer-Encoding: identity", CodingNotImplemented),
    bad("gzip", "9112 6.1", b"Transfer-Encoding: gzip", CodingNotImplemented),
    bad("an unknown coding", "9112 6.1", b"Transfer-Encoding: xchunked", CodingNotImplemented),
    bad("chunked in quotes", "9112 7", b'Transfer-Encoding: "chunked"', CodingNotImplemented),
    bad("two words", "9112 7", b"Transfer-Encoding: chunked x", CodingNotImplemented),
    bad(
        "a vertical tab before chunked", "9110 5.5", b"Transfer-Encoding: \x0bchunked", BadFieldLine
    ),
    bad("a NUL after chunked", "9110 5.5", b"Transfer-Encoding: chunked\x00", BadFieldLine),
    bad("a space after the name", "9112 5.1", b"Transfer-Encoding : chunked", BadFieldLine),
    bad("a bare LF before chunked", "9112 2.2", b"Transfer-Encoding:\nchunked", BadFieldLine),
)

SEVERAL = (
    Case("two requests", "9112 9.3.2", NEXT + NEXT, (THE_NEXT, THE_NEXT)),
    Case(
        "a body between two requests",
        "9112 9.3.2",
        post(b"Content-Length: 5", b"hello") + NEXT,
        (sized(b"hello"), THE_NEXT),
    ),
    Case(
        "chunks between two requests",
        "9112 9.3.2",
        post(b"Transfer-Encoding: chunked", CHUNKS) + NEXT,
        (CHUNKED, THE_NEXT),
    ),
    Case(
        "a body that looks like a request",
        "9112 6.2",
        post(b"Content-Length: %d" % len(NEXT), NEXT) + NEXT,
        (sized(NEXT), THE_NEXT),
    ),
    Case(
        "a body longer than its length",
        "9112 6.2",
        post(b"Content-Length: 4", b"hello"),
        (sized(b"hell"),),
        TruncatedRequest,
    ),
    Case(
        "a body longer by another request",
        "9112 6.2",
        post(b"Content-Length: 4", b"hell\x01") + NEXT,
        (sized(b"hell"),),
        BadRequestLine,
    ),
    Case("an error after a request", "9112 9.3.2", NEXT + b"GET\r\n", (THE_NEXT,), BadRequestLine),
    Case("an empty line first", "9112 2.2", b"\r\n" + NEXT, (THE_NEXT,)),
    Case(
        "an empty line after a body",
        "9112 2.2",
        post(b"Content-Length: 1", b"b\r\n") + NEXT,
        (
            sized(b"b"),
            THE_NEXT,
        ),
    ),
    Case("an empty line at the end", "9112 2.2", NEXT + b"\r\n", (THE_NEXT,)),
    Case("an empty line between each", "9112 2.2", (b"\r\n" + NEXT) * 3, (THE_NEXT,) * 3),
    Case("two empty lines", "9112 2.2", b"\r\n\r\n" + NEXT, error=BadRequestLine),
    Case("an empty line of LF", "9112 2.2", b"\n" + NEXT, error=BadRequestLine),
    Case("an empty line and one of LF", "9112 2.2", b"\r\n\n" + NEXT, error=BadRequestLine),
    Case("an empty line of CR", "9112 2.2", b"\r" + NEXT, error=BadRequestLine),
)

CUT_SHORT = (
    Case("nothing", "9112 9.5", b""),
    Case("half a method", "9112 8", b"GE", error=TruncatedRequest),
    Case("half a request line", "9112 8", b"GET / HTTP/1.1\r", error=TruncatedRequest),
    Case("no fields", "9112 8", b"GET /b HTTP/1.1\r\n", error=TruncatedRequest, error_target="/b"),
    Case("half a blank line", "9112 8", NEXT[:-1], error=TruncatedRequest, error_target="/next"),
    Case(
        "half a body",
        "9112 8",
        post(b"Content-Length: 5", b"hel"),
        (replace(sized(b"hel", "5"), cut=True),),
        TruncatedRequest,
    ),
    Case(
        "no body",
        "9112 8",
        post(b"Content-Length: 5"),
        (replace(sized(b"", "5"), cut=True),),
        TruncatedRequest,
    ),
)

CASES = (*LENGTH, *CODING, *SEVERAL, *CUT_SHORT)
