"""Requests byte for byte, and what a server must answer: the framing corpus, as data.

Every error in framing is a chance to smuggle a request past a proxy (RFC 9112 section 11.2),
so that all of these are the same for every worker. The application is ``probe:app``, whose
``/mirror/...`` says which request it got.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Wire:
    """The bytes sent on one connection, and the answers to them.

    :param rfc: the section that decides it.
    :param answers: for each request what the application saw of it, or the status with which
        it was refused; after a refusal, the connection is closed.
    """

    name: str
    rfc: str
    sent: bytes
    answers: tuple[str | int, ...]

    def __str__(self) -> str:
        return self.name

    @property
    def refused(self) -> bool:
        return isinstance(self.answers[-1], int)


def get(fields: bytes = b"", target: bytes = b"/mirror/") -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: a\r\n%b\r\n" % (target, fields)


def post(fields: bytes, body: bytes = b"") -> bytes:
    return b"POST /mirror/ HTTP/1.1\r\nHost: a\r\n%b\r\n%b" % (fields, body)


def chunked(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked\r\n", body)


LAST = b"GET /mirror/last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
"""Ends a connection that the case before it has left open."""

LAST_ANSWER = "GET /mirror/last"

HELLO = "POST /mirror/  hello"

GOOD = (
    Wire("a request", "9112 3", get(), ("GET /mirror/",)),
    Wire("an empty line before it", "9112 2.2", b"\r\n" + get(), ("GET /mirror/",)),
    Wire("a query", "9112 3.2.1", get(target=b"/mirror/?a=b%20c"), ("GET /mirror/ a=b%20c",)),
    Wire("an escaped path", "9112 3.2.1", get(target=b"/mirror/a%20b"), ("GET /mirror/a b",)),
    Wire("an absolute target", "9112 3.2.2", get(target=b"http://b/mirror/c"), ("GET /mirror/c",)),
    Wire(
        "any token is a method",
        "9110 9.1",
        b"M-SEARCH /mirror/ HTTP/1.1\r\nHost: a\r\n\r\n",
        ("M-SEARCH /mirror/",),
    ),
    Wire("a length", "9112 6.2", post(b"Content-Length: 5\r\n", b"hello"), (HELLO,)),
    Wire("a length of 0", "9112 6.2", post(b"Content-Length: 0\r\n"), ("POST /mirror/",)),
    Wire("no length", "9112 6.3", post(b""), ("POST /mirror/",)),
    Wire(
        "line ends in a body",
        "9112 6.2",
        post(b"Content-Length: 8\r\n", b"\r\n\r\na\r\nb"),
        ("POST /mirror/  \r\n\r\na\r\nb",),
    ),
    Wire(
        "a GET with a body",
        "9110 9.3.1",
        get(b"Content-Length: 2\r\n") + b"me",
        ("GET /mirror/  me",),
    ),
    Wire("a chunk", "9112 7.1", chunked(b"5\r\nhello\r\n0\r\n\r\n"), (HELLO,)),
    Wire("chunks", "9112 7.1", chunked(b"2\r\nhe\r\n03\r\nllo\r\n00\r\n\r\n"), (HELLO,)),
    Wire("no chunk but the last", "9112 7.1", chunked(b"0\r\n\r\n"), ("POST /mirror/",)),
    Wire(
        "a size in capitals",
        "9112 7.1",
        chunked(b"A\r\n0123456789\r\n0\r\n\r\n"),
        ("POST /mirror/  0123456789",),
    ),
    Wire("a chunk extension", "9112 7.1.1", chunked(b"5;a=b;c\r\nhello\r\n0\r\n\r\n"), (HELLO,)),
    Wire("trailers", "9112 7.1.2", chunked(b"5\r\nhello\r\n0\r\nX-A: b\r\n\r\n"), (HELLO,)),
    Wire(
        "a trailer that may not be one",
        "9110 6.5.1",
        chunked(b"5\r\nhello\r\n0\r\nContent-Type: a/b\r\nContent-Length: 1\r\n\r\n"),
        (HELLO,),
    ),
    Wire(
        "coding in capitals",
        "9112 7",
        post(b"Transfer-Encoding: Chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
        (HELLO,),
    ),
    Wire(
        "three requests in a row",
        "9112 9.3.2",
        get(target=b"/mirror/1") + post(b"Content-Length: 5\r\n", b"hello") + get(),
        ("GET /mirror/1", HELLO, "GET /mirror/"),
    ),
    Wire(
        "chunks, and another request",
        "9112 9.3.2",
        chunked(b"5\r\nhello\r\n0\r\n\r\n") + get(target=b"/mirror/2"),
        (HELLO, "GET /mirror/2"),
    ),
    Wire(
        "a good one, and a bad one",
        "9112 9.3.2",
        get() + b"NONSENSE\r\n\r\n" + get(),
        ("GET /mirror/", 400),
    ),
)

BAD = (
    Wire(
        "length and chunks",
        "9112 6.1",
        post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
        (400,),
    ),
    Wire("two lengths", "9112 6.3", post(b"Content-Length: 5\r\nContent-Length: 6\r\n"), (400,)),
    Wire("a list of lengths", "9112 6.3", post(b"Content-Length: 5, 6\r\n"), (400,)),
    Wire("a length with a sign", "9110 8.6", post(b"Content-Length: +5\r\n", b"hello"), (400,)),
    Wire("a length in hex", "9110 8.6", post(b"Content-Length: 0x5\r\n", b"hello"), (400,)),
    Wire("a negative length", "9110 8.6", post(b"Content-Length: -1\r\n"), (400,)),
    Wire("an unknown coding", "9112 6.1", post(b"Transfer-Encoding: gzip, chunked\r\n"), (501,)),
    Wire("chunked not last", "9112 6.3", post(b"Transfer-Encoding: chunked, gzip\r\n"), (400,)),
    Wire("chunked twice", "9112 6.1", post(b"Transfer-Encoding: chunked, chunked\r\n"), (400,)),
    Wire(
        "chunks in HTTP/1.0",
        "9112 6.1",
        b"POST /mirror/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        (400,),
    ),
    Wire("a chunk size with a sign", "9112 7.1", chunked(b"+5\r\nhello\r\n0\r\n\r\n"), (400,)),
    Wire("a chunk size in 0x", "9112 7.1", chunked(b"0x5\r\nhello\r\n0\r\n\r\n"), (400,)),
    Wire("a chunk without its end", "9112 7.1", chunked(b"5\r\nhelloX\r\n0\r\n\r\n"), (400,)),
    Wire("a chunk size too large", "9112 7.1", chunked(b"fffffffffffffffff\r\n"), (400,)),
    Wire("a bare LF after a chunk size", "9112 7.1", chunked(b"5\nhello\r\n0\r\n\r\n"), (400,)),
    Wire("bare LFs", "9112 2.2", b"GET /mirror/ HTTP/1.1\nHost: a\n\n\r\n\r\n", (400,)),
    Wire("a bare CR in a field", "9112 2.2", get(b"X: a\rb\r\n"), (400,)),
    Wire("a NUL in a field", "9110 5.5", get(b"X: a\0b\r\n"), (400,)),
    Wire("a space before the colon", "9112 5.1", get(b"X : a\r\n"), (400,)),
    Wire("a folded line", "9112 5.2", get(b"X: a\r\n b\r\n"), (400,)),
    Wire("a line without a colon", "9112 5", get(b"nonsense\r\n"), (400,)),
    Wire("a field without a name", "9112 5", get(b": a\r\n"), (400,)),
    Wire("no Host", "9112 3.2", b"GET /mirror/ HTTP/1.1\r\n\r\n", (400,)),
    Wire("two Hosts", "9112 3.2", get(b"Host: b\r\n"), (400,)),
    Wire("a Host that is none", "9112 3.2", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", (400,)),
    Wire("two spaces in the line", "9112 3", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", (400,)),
    Wire("no version", "9112 3", b"GET /mirror/\r\nHost: a\r\n\r\n", (400,)),
    Wire("a version of the future", "9110 15.6.6", b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", (505,)),
    Wire("a target that is none", "9112 3.2", b"GET mirror HTTP/1.1\r\nHost: a\r\n\r\n", (400,)),
    Wire("an expectation", "9110 10.1.1", get(b"Expect: a miracle\r\n"), (417,)),
    Wire("TLS to a plain port", "9112 3", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", (400,)),
)

CASES = (*GOOD, *BAD)

CUT_SHORT = (
    Wire("within the line", "9112 8", b"GET /mir", ()),
    Wire("within the fields", "9112 8", b"GET /mirror/ HTTP/1.1\r\nHost: a\r\n", ()),
    Wire("within a body", "9112 8", post(b"Content-Length: 9\r\n", b"hello"), ()),
    Wire("within a chunk", "9112 8", chunked(b"9\r\nhello"), ()),
    Wire("before the last chunk", "9112 8", chunked(b"5\r\nhello\r\n"), ()),
    Wire("within the trailers", "9112 8", chunked(b"5\r\nhello\r\n0\r\nX-A: b\r\n"), ()),
)
"""Messages whose client closes its side too early: they never reach the application."""
