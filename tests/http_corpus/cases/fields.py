"""Field lines: their grammar, repetition, Host, and names that WSGI could confuse."""

from __future__ import annotations

from corn_core.errors import BadFieldLine, ExpectationFailed
from corn_core.http import Limits
from tests.http_corpus.case import Case, Message
from tests.http_corpus.drive import with_fields

KEEP = Limits(header_map="keep")
REFUSE = Limits(header_map="refuse")


def head(lines: bytes) -> bytes:
    return b"GET / HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n\r\n"


def bad(name: str, rfc: str, lines: bytes, limits: Limits | None = None) -> Case:
    """Make a case of a head with an unacceptable field, or several."""
    return Case(
        name, rfc, head(lines), error=BadFieldLine, error_target="/", limits=limits or Limits()
    )


def good(
    name: str, rfc: str, lines: bytes, fields: dict[str, str], limits: Limits | None = None
) -> Case:
    return Case(name, rfc, head(lines), (with_fields(fields),), limits=limits or Limits())


def host(name: str, rfc: str, value: bytes) -> Case:
    wire = b"GET / HTTP/1.1\r\nHost:" + value + b"\r\n\r\n"
    fields = {"HTTP_HOST": value.decode("latin-1").strip()}
    return Case(name, rfc, wire, (Message(fields=fields),))


def bad_host(name: str, rfc: str, value: bytes) -> Case:
    wire = b"GET / HTTP/1.1\r\nHost:" + value + b"\r\n\r\n"
    return Case(name, rfc, wire, error=BadFieldLine, error_target="/")


def wants(name: str, rfc: str, lines: bytes, fields: dict[str, str], **changes: object) -> Case:
    """Make a case of what a client wants of the connection."""
    return Case(name, rfc, head(lines), (with_fields(fields, **changes),))


GRAMMAR = (
    good("a field", "9112 5", b"X-A: b", {"HTTP_X_A": "b"}),
    good("no white space", "9112 5", b"X-A:b", {"HTTP_X_A": "b"}),
    good("white space around the value", "9112 5", b"X-A: \t b \t ", {"HTTP_X_A": "b"}),
    good("white space within the value", "9110 5.5", b"X-A: b \t c", {"HTTP_X_A": "b \t c"}),
    good("an empty value", "9110 5.5", b"X-A:", {"HTTP_X_A": ""}),
    good("a value of white space", "9110 5.5", b"X-A: \t ", {"HTTP_X_A": ""}),
    good("a value with colons", "9110 5.5", b"X-A: b:c: d", {"HTTP_X_A": "b:c: d"}),
    good("a value beyond ASCII", "9110 5.5", b"X-A: \xc3\xa9\xff", {"HTTP_X_A": "\xc3\xa9\xff"}),
    good("a name of every tchar", "9110 5.6.2", b"!#$%&'*+.^`|~1: b", {"HTTP_!#$%&'*+.^`|~1": "b"}),
    good("Content-Type", "3875 4.1.3", b"Content-Type: b/c", {"CONTENT_TYPE": "b/c"}),
    bad("an empty name", "9110 5.1", b": b"),
    bad("no colon", "9112 5", b"X-A b"),
    bad("a word alone", "9112 5", b"Hello"),
    bad("a space before the colon", "9112 5.1", b"X-A : b"),
    bad("a tab before the colon", "9112 5.1", b"X-A\t: b"),
    bad("a space within the name", "9112 5.1", b"X A: b"),
    bad("a name beyond ASCII", "9110 5.6.2", b"X-\xc3\x89: b"),
    bad("a name in parentheses", "9110 5.6.2", b"(X): b"),
    bad("a quoted name", "9110 5.6.2", b'"X": b'),
    bad("a NUL in the name", "9110 5.6.2", b"X\x00A: b"),
    bad("a NUL in the value", "9110 5.5", b"X-A: b\x00c"),
    bad("a NUL after the value", "9110 5.5", b"X-A: b\x00"),
    bad("a control character in the value", "9110 5.5", b"X-A: b\x01"),
    bad("an escape in the value", "9110 5.5", b"X-A: \x1b[31m"),
    bad("a vertical tab before the value", "9110 5.5", b"X-A:\x0bb"),
    bad("a form feed after the value", "9110 5.5", b"X-A: b\x0c"),
    bad("a DEL in the value", "9110 5.5", b"X-A: b\x7f"),
    bad("a bare CR in the value", "9112 2.2", b"X-A: b\rc"),
    bad("a bare CR that hides a field", "9112 2.2", b"X-A: b\rTransfer-Encoding: chunked"),
    bad("a bare CR before CRLF", "9112 2.2", b"X-A: b\r"),
    bad("a bare LF in the value", "9112 2.2", b"X-A: b\nX-B: c"),
    bad("a folded line", "9112 5.2", b"X-A: b\r\n c"),
    bad("a line folded with a tab", "9112 5.2", b"X-A: b\r\n\tc"),
    bad("a folded line of white space", "9112 5.2", b"X-A: b\r\n \r\nX-B: c"),
    Case(
        "a space before the first field",
        "9112 2.2",
        b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        error=BadFieldLine,
        error_target="/",
    ),
    Case(
        "bare LF everywhere",
        "9112 2.2",
        b"GET / HTTP/1.1\r\nHost: a\n\n",
        error=BadFieldLine,
        error_target="/",
    ),
)

REPEATED = (
    good("a repeated field", "9110 5.3", b"X-A: b\r\nx-a: c", {"HTTP_X_A": "b,c"}),
    good(
        "a repeated field, others between",
        "9110 5.3",
        b"X-A: b\r\nX-B: d\r\nX-A: c\r\nX-A:",
        {"HTTP_X_A": "b,c,", "HTTP_X_B": "d"},
    ),
    good(
        "cookies on two lines",
        "6265 4.2.1",
        b"Cookie: b=1\r\nCookie: c=2",
        {"HTTP_COOKIE": "b=1; c=2"},
    ),
    bad("two Hosts", "9112 3.2", b"Host: b"),
    bad("two equal Hosts", "9112 3.2", b"Host: a"),
    bad("two Hosts, other capitals", "9112 3.2", b"hOST: a"),
    bad("two content types", "9110 5.3", b"Content-Type: b/c\r\nContent-Type: b/c"),
)

HOST = (
    host("an empty Host", "9110 7.2", b""),
    host("a Host with a port", "9110 7.2", b" b.example:8000"),
    host("a Host with an empty port", "3986 3.2.3", b" b.example:"),
    host("a Host of IPv4", "3986 3.2.2", b" 127.0.0.1"),
    host("a Host of IPv6", "3986 3.2.2", b" [2001:db8::1]:80"),
    host("a Host of a future IP", "3986 3.2.2", b" [v1.fe80:a]"),
    host("a Host with an underscore", "3986 3.2.2", b" my_service"),
    host("a Host with an escape", "3986 3.2.2", b" b%20c"),
    bad_host("a Host with a space", "9112 3.2", b" b c"),
    bad_host("two hosts in one Host", "9112 3.2", b" b, c"),
    bad_host("a Host with a path", "9112 3.2", b" b/c"),
    bad_host("a Host with a query", "9112 3.2", b" b?c"),
    bad_host("a Host with a fragment", "9112 3.2", b" b#c"),
    bad_host("a Host with a user", "9112 3.2", b" me@b"),
    bad_host("a Host with a scheme", "9112 3.2", b" http://b"),
    bad_host("a Host with a backslash", "9112 3.2", b" b\\c"),
    bad_host("a Host with two ports", "9112 3.2", b" b:80:81"),
    bad_host("a Host with a bad port", "9112 3.2", b" b:8o"),
    bad_host("a Host with a negative port", "9112 3.2", b" b:-1"),
    bad_host("a Host beyond ASCII", "9112 3.2", b" caf\xc3\xa9"),
    bad_host("a Host of raw IPv6", "9112 3.2", b" ::1"),
    bad_host("a Host with an open bracket", "9112 3.2", b" [::1"),
    bad_host("a Host with half an escape", "9112 3.2", b" b%2"),
    bad_host("a Host with a quote", "9112 3.2", b' "b"'),
    Case(
        "no Host",
        "9112 3.2",
        b"GET / HTTP/1.1\r\nX-A: b\r\n\r\n",
        error=BadFieldLine,
        error_target="/",
    ),
    Case(
        "no fields at all",
        "9112 3.2",
        b"GET / HTTP/1.1\r\n\r\n",
        error=BadFieldLine,
        error_target="/",
    ),
    Case(
        "a bad Host in HTTP/1.0",
        "9112 3.2",
        b"GET / HTTP/1.0\r\nHost: b c\r\n\r\n",
        error=BadFieldLine,
        error_target="/",
    ),
)

UNDERSCORES = (
    good("an underscored field is dropped", "3875 4.1.18", b"X_A: b", {}),
    good(
        "and does not pose",
        "3875 4.1.18",
        b"X_Forwarded_For: 1\r\nX-Forwarded-For: 2",
        {"HTTP_X_FORWARDED_FOR": "2"},
    ),
    good(
        "nor from behind",
        "3875 4.1.18",
        b"X-Forwarded-For: 2\r\nX_Forwarded-For: 1",
        {"HTTP_X_FORWARDED_FOR": "2"},
    ),
    good("nor as framing", "3875 4.1.18", b"Content_Length: 5\r\nTransfer_Encoding: chunked", {}),
    bad("a dropped field is read nevertheless", "9110 5.5", b"X_A: b\x00"),
    bad("an underscored field is refused", "3875 4.1.18", b"X_A: b", REFUSE),
    good("an underscored field is kept", "3875 4.1.18", b"X_A: b", {"HTTP_X_A": "b"}, KEEP),
    good("and joined with its like", "3875 4.1.18", b"X_A: b\r\nx_a: c", {"HTTP_X_A": "b,c"}, KEEP),
    bad("kept, but not in two spellings", "3875 4.1.18", b"X_A: b\r\nX-A: c", KEEP),
    bad("in either order", "3875 4.1.18", b"X-A-B: c\r\nX-A_B: b", KEEP),
    good(
        "kept, but not as framing", "9112 6", b"Content_Length: 5\r\nTransfer_Encoding: b", {}, KEEP
    ),
    good("kept, but not as a proxy's", "7239 8.1", b"X_Forwarded_For: 1\r\nX_Real-IP: 2", {}, KEEP),
    Case(
        "kept, but not as Host",
        "9112 3.2",
        b"GET / HTTP/1.1\r\nHost: a\r\nH_ost: b\r\nHost_: c\r\n\r\n",
        (with_fields({"HTTP_H_OST": "b", "HTTP_HOST_": "c"}),),
        limits=KEEP,
    ),
)

CONNECTION = (
    wants("close", "9112 9.3", b"Connection: close", {"HTTP_CONNECTION": "close"}, keep=False),
    wants("CLOSE", "9110 7.6.1", b"Connection: CLOSE", {"HTTP_CONNECTION": "CLOSE"}, keep=False),
    wants(
        "close in a list",
        "9110 7.6.1",
        b"Connection: te ,\tclose",
        {"HTTP_CONNECTION": "te ,\tclose"},
        keep=False,
    ),
    wants(
        "close on a second line",
        "9110 7.6.1",
        b"Connection: keep-alive\r\nConnection: close",
        {"HTTP_CONNECTION": "keep-alive,close"},
        keep=False,
    ),
    wants("not quite close", "9110 7.6.1", b"Connection: closed", {"HTTP_CONNECTION": "closed"}),
    Case(
        "keep-alive in HTTP/1.0",
        "9112 9.3",
        b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
        (Message(fields={"HTTP_CONNECTION": "Keep-Alive"}, version=(1, 0)),),
    ),
    Case(
        "both in HTTP/1.0",
        "9112 9.3",
        b"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
        (Message(fields={"HTTP_CONNECTION": "keep-alive, close"}, version=(1, 0), keep=False),),
    ),
    wants(
        "an upgrade",
        "9110 7.8",
        b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket",
        {"HTTP_CONNECTION": "keep-alive, Upgrade", "HTTP_UPGRADE": "websocket"},
        upgrade=True,
    ),
    wants("an upgrade not connected", "9110 7.8", b"Upgrade: b", {"HTTP_UPGRADE": "b"}),
    wants(
        "an upgrade to nothing", "9110 7.8", b"Connection: upgrade", {"HTTP_CONNECTION": "upgrade"}
    ),
    Case(
        "an upgrade in HTTP/1.0",
        "9110 7.8",
        b"GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: b\r\n\r\n",
        (
            Message(
                fields={"HTTP_CONNECTION": "upgrade", "HTTP_UPGRADE": "b"},
                version=(1, 0),
                keep=False,
            ),
        ),
    ),
)

EXPECT = (
    wants(
        "an expectation without a body",
        "9110 10.1.1",
        b"Expect: 100-continue",
        {"HTTP_EXPECT": "100-continue"},
    ),
    Case(
        "an expectation",
        "9110 10.1.1",
        head(b"Expect: 100-Continue\r\nContent-Length: 1") + b"b",
        (
            with_fields(
                {"HTTP_EXPECT": "100-Continue", "CONTENT_LENGTH": "1"}, body=b"b", waits=True
            ),
        ),
    ),
    Case(
        "an expectation in HTTP/1.0",
        "9110 10.1.1",
        b"GET / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nb",
        (
            Message(
                fields={"HTTP_EXPECT": "100-continue", "CONTENT_LENGTH": "1"},
                version=(1, 0),
                keep=False,
                body=b"b",
            ),
        ),
    ),
    Case(
        "another expectation",
        "9110 10.1.1",
        head(b"Expect: 200-ok"),
        error=ExpectationFailed,
        error_target="/",
    ),
    Case(
        "another expectation beside it",
        "9110 10.1.1",
        head(b"Expect: 100-continue, b"),
        error=ExpectationFailed,
        error_target="/",
    ),
)

CASES = (*GRAMMAR, *REPEATED, *HOST, *UNDERSCORES, *CONNECTION, *EXPECT)
