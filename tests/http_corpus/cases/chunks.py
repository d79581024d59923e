"""Chunked bodies: sizes, extensions, line ends, trailers, and how they can be cut short."""

from __future__ import annotations

from dataclasses import replace

from corn_core.errors import BadChunk, BadFieldLine, BadRequest, BodyTooLarge, TruncatedRequest
from corn_core.http import Limits
from tests.http_corpus.case import Case
from tests.http_corpus.drive import with_fields

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def good(name: str, rfc: str, chunks: bytes, body: bytes, *trailers: tuple[str, str]) -> Case:
    fields = {"CONTENT_LENGTH": str(len(body))}
    message = with_fields(fields, method="POST", body=body, trailers=trailers)
    return Case(name, rfc, HEAD + chunks, (message,))


def bad(
    name: str,
    rfc: str,
    chunks: bytes,
    body: bytes = b"",
    error: type[BadRequest] = BadChunk,
    limits: Limits | None = None,
) -> Case:
    """Chunks of which ``body`` is what comes before the error."""
    fields = {"HTTP_TRANSFER_ENCODING": "chunked"}
    message = with_fields(fields, method="POST", body=body, cut=True)
    return Case(name, rfc, HEAD + chunks, (message,), error, limits=limits or Limits())


SIZES = (
    good("no chunks", "9112 7.1", b"0\r\n\r\n", b""),
    good("two chunks", "9112 7.1", b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", b"hello"),
    good("a size in capitals", "9112 7.1", b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    good("a size in small letters", "9112 7.1", b"a\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    good("zeros before a size", "9112 7.1", b"0005\r\nhello\r\n000\r\n\r\n", b"hello"),
    good("chunk data of line ends", "9112 7.1", b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n"),
    good("chunk data like a last chunk", "9112 7.1", b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n"),
    bad("an empty size", "9112 7.1", b"\r\nhello\r\n0\r\n\r\n"),
    bad("a size with 0x", "9112 7.1", b"0x5\r\nhello\r\n0\r\n\r\n"),
    bad("a size with a plus", "9112 7.1", b"+5\r\nhello\r\n0\r\n\r\n"),
    bad("a negative size", "9112 7.1", b"-5\r\nhello\r\n0\r\n\r\n"),
    bad("a size with an underscore", "9112 7.1", b"0_5\r\nhello\r\n0\r\n\r\n"),
    bad("a size that is not a number", "9112 7.1", b"g\r\nhello\r\n0\r\n\r\n"),
    bad("a size in other digits", "9112 7.1", b"\xb2\r\nhe\r\n0\r\n\r\n"),
    bad("a space before a size", "9112 7.1", b" 5\r\nhello\r\n0\r\n\r\n"),
    bad("a space after a size", "9112 7.1", b"5 \r\nhello\r\n0\r\n\r\n"),
    bad("a size with a NUL", "9112 7.1", b"5\x00\r\nhello\r\n0\r\n\r\n"),
    bad("a size that overflows", "9112 7.1", b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    bad("a size of many zeros", "9112 7.1", b"0" * 20 + b"5\r\nhello\r\n0\r\n\r\n"),
    bad("a size larger than any body", "9112 7.1", b"7fffffffffffffff\r\nh"),
    bad(
        "a size larger than the limit",
        "9110 15.5.14",
        b"7fffffffffffff\r\nh",
        error=BodyTooLarge,
    ),
)

ENDS = (
    bad("a bare LF after a size", "9112 2.2", b"5\nhello\r\n0\r\n\r\n"),
    bad("a bare CR after a size", "9112 2.2", b"5\rhello\r\n0\r\n\r\n"),
    bad("a bare LF after data", "9112 7.1", b"5\r\nhello\n0\r\n\r\n", b"hello"),
    bad("a bare CR after data", "9112 7.1", b"5\r\nhello\r0\r\n\r\n", b"hello"),
    bad("nothing after data", "9112 7.1", b"5\r\nhello0\r\n\r\n", b"hello"),
    bad("two octets for a line end", "9112 7.1", b"5\r\nhelloXX0\r\n\r\n", b"hello"),
    bad("two bare LFs after data", "9112 7.1", b"5\r\nhello\n\n0\r\n\r\n", b"hello"),
    bad("LF and CR after data", "9112 7.1", b"5\r\nhello\n\r0\r\n\r\n", b"hello"),
    bad("two bare CRs after data", "9112 7.1", b"5\r\nhello\r\r0\r\n\r\n", b"hello"),
    bad("a chunk longer than its size", "9112 7.1", b"4\r\nhello\r\n0\r\n\r\n", b"hell"),
    bad("a chunk shorter than its size", "9112 7.1", b"6\r\nhello\r\n0\r\n\r\n", b"hello\r"),
    bad("a bare LF after the last chunk", "9112 2.2", b"0\n\r\n"),
    bad("a bare LF at the end", "9112 2.2", b"0\r\n\n", error=BadFieldLine),
    bad("a bare CR at the end", "9112 2.2", b"0\r\n\r\r\n", error=BadFieldLine),
    bad("two line ends after data", "9112 7.1", b"1\r\na\r\n\r\n0\r\n\r\n", b"a"),
)

EXTENSIONS = (
    good("an extension", "9112 7.1.1", b"5;a=b\r\nhello\r\n0\r\n\r\n", b"hello"),
    good("an extension without a value", "9112 7.1.1", b"5;a\r\nhello\r\n0;b\r\n\r\n", b"hello"),
    good("two extensions", "9112 7.1.1", b"5;a=b;c=d\r\nhello\r\n0\r\n\r\n", b"hello"),
    good(
        "white space in extensions", "9112 7.1.1", b"5 ;\ta = b ; c\r\nhello\r\n0\r\n\r\n", b"hello"
    ),
    good("a quoted value", "9112 7.1.1", b'5;a="b;\\" c"\r\nhello\r\n0\r\n\r\n', b"hello"),
    good("an empty quoted value", "9112 7.1.1", b'5;a=""\r\nhello\r\n0\r\n\r\n', b"hello"),
    bad("an empty extension", "9112 7.1.1", b"5;\r\nhello\r\n0\r\n\r\n"),
    bad("an extension without a name", "9112 7.1.1", b"5;=b\r\nhello\r\n0\r\n\r\n"),
    bad("an extension that is not finished", "9112 7.1.1", b"5;a=\r\nhello\r\n0\r\n\r\n"),
    bad("an open quote", "9112 7.1.1", b'5;a="b\r\nhello\r\n0\r\n\r\n'),
    bad("a word after an extension", "9112 7.1.1", b"5;a b\r\nhello\r\n0\r\n\r\n"),
    bad("white space after an extension", "9112 7.1.1", b"5;a=b \r\nhello\r\n0\r\n\r\n"),
    bad("a bare CR in an extension", "9112 2.2", b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    bad("a bare LF in an extension", "9112 2.2", b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
    bad("a bare LF in quotes", "9112 2.2", b'5;a="\n"\r\nhello\r\n0\r\n\r\n'),
    bad("a NUL in an extension", "9112 7.1.1", b"5;a=\x00\r\nhello\r\n0\r\n\r\n"),
    bad("a bare CR in the last chunk", "9112 2.2", b"0;a\r\r\n\r\n"),
    bad("a space for a semicolon", "9112 7.1.1", b"5 a=b\r\nhello\r\n0\r\n\r\n"),
)

TRAILERS = (
    good("a trailer", "9112 7.1.2", b"0\r\nX-A: b\r\n\r\n", b"", ("X-A", "b")),
    good(
        "two trailers",
        "9112 7.1.2",
        b"0\r\nx-a: b \r\nX-A:c\r\n\r\n",
        b"",
        ("X-A", "b"),
        ("X-A", "c"),
    ),
    good("an underscored trailer", "3875 4.1.18", b"0\r\nX_A: b\r\n\r\n", b""),
    *(
        good(f"{name} as a trailer", "9110 6.5.1", b"0\r\n%b: 1\r\n\r\n" % name.encode(), b"")
        for name in (
            *("Content-Length", "Transfer-Encoding", "Host", "Trailer", "Content-Type"),
            *("Content-Encoding", "Content-Range", "Authorization", "Cookie", "Set-Cookie"),
            *("Connection", "TE", "Upgrade", "Expect", "Range", "Cache-Control", "If-Match"),
            *("Max-Forwards", "Vary", "Proxy", "X-Forwarded-For", "X-Real-IP"),
            *("transfer-encoding", "Transfer_Encoding"),
        )
    ),
    good(
        "a trailer between dropped ones",
        "9110 6.5.1",
        b"1\r\na\r\n0\r\nHost: b\r\nX-A: b\r\nContent-Length: 7\r\n\r\n",
        b"a",
        ("X-A", "b"),
    ),
    good("a bad Host as a trailer", "9110 6.5.1", b"0\r\nHost: a b\r\n\r\n", b""),
    bad(
        "a folded Content-Length as a trailer",
        "9112 5.2",
        b"0\r\nContent-Length: 1\r\n 2\r\n\r\n",
        error=BadFieldLine,
    ),
    bad("a space in a Host trailer", "9112 5.1", b"0\r\nHost : b\r\n\r\n", error=BadFieldLine),
    bad("a trailer without a colon", "9112 5", b"0\r\nX-A\r\n\r\n", error=BadFieldLine),
    bad("a space in a trailer's name", "9112 5.1", b"0\r\nX-A : b\r\n\r\n", error=BadFieldLine),
    bad("a NUL in a trailer", "9110 5.5", b"0\r\nX-A: \x00\r\n\r\n", error=BadFieldLine),
    bad("a bare LF after a trailer", "9112 2.2", b"0\r\nX-A: b\n\r\n", error=BadFieldLine),
    bad("a request instead of the end", "9112 7.1", b"0\r\nGET / HTTP/1.1\r\n", error=BadFieldLine),
)

CUT_SHORT = (
    bad("no chunk at all", "9112 8", b"", error=TruncatedRequest),
    bad("half a size", "9112 8", b"5", error=TruncatedRequest),
    bad("half a line end", "9112 8", b"5\r", error=TruncatedRequest),
    bad("half a chunk", "9112 8", b"5\r\nhel", b"hel", TruncatedRequest),
    bad("no line end after data", "9112 8", b"5\r\nhello", b"hello", TruncatedRequest),
    bad("half a line end after data", "9112 8", b"5\r\nhello\r", b"hello", TruncatedRequest),
    bad("no last chunk", "9112 8", b"5\r\nhello\r\n", b"hello", TruncatedRequest),
    bad("half a last chunk", "9112 8", b"5\r\nhello\r\n0", b"hello", TruncatedRequest),
    bad("no end of the trailers", "9112 8", b"5\r\nhello\r\n0\r\n", b"hello", TruncatedRequest),
    bad("half an end", "9112 8", b"5\r\nhello\r\n0\r\n\r", b"hello", TruncatedRequest),
)

# The trailer before the error is known by then.
FOLDED = bad("a folded trailer", "9112 5.2", b"0\r\nX-A: b\r\n c\r\n\r\n", error=BadFieldLine)
SHORT = bad("a trailer and no end", "9112 8", b"0\r\nX-A: b\r\n", error=TruncatedRequest)

CASES = (
    *SIZES,
    *ENDS,
    *EXTENSIONS,
    *TRAILERS,
    *CUT_SHORT,
    *(
        replace(case, messages=(replace(case.messages[0], trailers=(("X-A", "b"),)),))
        for case in (FOLDED, SHORT)
    ),
)
