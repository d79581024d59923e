"""The first line: methods, versions, and the four forms of a target."""

from __future__ import annotations

from corn_core.errors import BadFieldLine, BadRequestLine, VersionNotSupported
from tests.http_corpus.case import Case, Message


def line(name: str, rfc: str, first: bytes, *messages: Message) -> Case:
    """Make a case of one line and a Host field."""
    return Case(name, rfc, first + b"\r\nHost: a\r\n\r\n", messages)


def bad(name: str, rfc: str, first: bytes) -> Case:
    return Case(name, rfc, first + b"\r\nHost: a\r\n\r\n", error=BadRequestLine)


def absolute(target: str, host: str, path: str = "/", query: str = "") -> Message:
    return Message(target=target, fields={"HTTP_HOST": host}, path=path, query=query)


METHODS = (
    line("plain GET", "9112 3", b"GET / HTTP/1.1", Message()),
    line("HEAD", "9110 9.3.2", b"HEAD / HTTP/1.1", Message("HEAD")),
    line("a method of one's own", "9110 9.1", b"BREW / HTTP/1.1", Message("BREW")),
    line("a method in lower case", "9110 9.1", b"get / HTTP/1.1", Message("get")),
    line(
        "a method of every tchar",
        "9110 5.6.2",
        b"!#$%&'*+-.^_`|~09Az / HTTP/1.1",
        Message("!#$%&'*+-.^_`|~09Az"),
    ),
    bad("a method with a separator", "9110 5.6.2", b"G{T / HTTP/1.1"),
    bad("a method with a colon", "9110 5.6.2", b"Host: / HTTP/1.1"),
    bad("a method beyond ASCII", "9110 5.6.2", b"G\xc3\x89T / HTTP/1.1"),
    bad("no method", "9112 3", b" / HTTP/1.1"),
    bad("nothing but spaces", "9112 3", b"  "),
    Case("TLS on a plain port", "9112 3", b"\x16\x03\x01\x02\x00\x01\x00", error=BadRequestLine),
    Case("a zero octet first", "9112 3", b"\x00GET / HTTP/1.1\r\n", error=BadRequestLine),
)

SPACES = (
    bad("two spaces before the target", "9112 3", b"GET  / HTTP/1.1"),
    bad("two spaces before the version", "9112 3", b"GET /  HTTP/1.1"),
    bad("a tab instead of a space", "9112 3", b"GET\t/ HTTP/1.1"),
    bad("a space after the version", "9112 3", b"GET / HTTP/1.1 "),
    bad("a space before the method", "9112 3", b" GET / HTTP/1.1"),
    bad("a space within the target", "9112 3.2", b"GET /a b HTTP/1.1"),
    bad("a vertical tab as a space", "9112 3", b"GET\x0b/ HTTP/1.1"),
    bad("a bare CR as a space", "9112 2.2", b"GET\r/ HTTP/1.1"),
)

VERSIONS = (
    Case(
        "HTTP/1.0",
        "9112 9.3",
        b"GET / HTTP/1.0\r\n\r\n",
        (Message(fields={}, version=(1, 0), keep=False),),
    ),
    bad("HTTP/0.9", "9112 2.3", b"GET /"),
    bad("HTTP/0.9 with a space", "9112 2.3", b"GET / "),
    bad("the version in lower case", "9112 2.3", b"GET / http/1.1"),
    bad("a version of one number", "9112 2.3", b"GET / HTTP/1"),
    bad("a version of two digits", "9112 2.3", b"GET / HTTP/1.10"),
    bad("a version with a zero before it", "9112 2.3", b"GET / HTTP/01.1"),
    bad("a version with a comma", "9112 2.3", b"GET / HTTP/1,1"),
    bad("a version in other digits", "9112 2.3", b"GET / HTTP/1.\xb9"),
    bad("another protocol", "9112 2.3", b"GET / HTTPS/1.1"),
    bad("another protocol altogether", "9112 2.3", b"OPTIONS sip:a SIP/2.0"),
    Case("HTTP/1.2", "9110 15.6.6", b"GET / HTTP/1.2\r\n", error=VersionNotSupported),
    Case("HTTP/2.0", "9110 15.6.6", b"GET / HTTP/2.0\r\n", error=VersionNotSupported),
    Case("HTTP/0.9 by number", "9110 15.6.6", b"GET / HTTP/0.9\r\n", error=VersionNotSupported),
    Case(
        "the preface of HTTP/2",
        "9113 3.4",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        error=VersionNotSupported,
    ),
)

ORIGIN_FORM = (
    line(
        "a path and a query",
        "9112 3.2.1",
        b"GET /a/b?c=d&e HTTP/1.1",
        Message(target="/a/b?c=d&e", path="/a/b", query="c=d&e"),
    ),
    line(
        "a query with a question mark",
        "3986 3.4",
        b"GET /?a?b HTTP/1.1",
        Message(target="/?a?b", query="a?b"),
    ),
    line("an empty query", "3986 3.4", b"GET /? HTTP/1.1", Message(target="/?")),
    line("two slashes first", "3986 3.3", b"GET //a HTTP/1.1", Message(target="//a", path="//a")),
    line(
        "dots are the application's",
        "3986 5.2.4",
        b"GET /a/../b HTTP/1.1",
        Message(target="/a/../b", path="/a/../b"),
    ),
    line(
        "escapes are not decoded",
        "3986 2.1",
        b"GET /%2e%00%zz HTTP/1.1",
        Message(target="/%2e%00%zz", path="/%2e%00%zz"),
    ),
    line(
        "path parameters",
        "3986 3.3",
        b"GET /a;b=1/c HTTP/1.1",
        Message(target="/a;b=1/c", path="/a;b=1/c"),
    ),
    line(
        "raw UTF-8",
        "9112 3.2",
        "GET /caf\u00e9 HTTP/1.1".encode(),
        Message(target="/caf\xc3\xa9", path="/caf\xc3\xa9"),
    ),
    line(
        "what browsers do not escape",
        "9112 3.2",
        b'GET /[a]{b}|"c"<d>^`\\ HTTP/1.1',
        Message(target='/[a]{b}|"c"<d>^`\\', path='/[a]{b}|"c"<d>^`\\'),
    ),
    bad("a fragment", "9112 3.2", b"GET /a#b HTTP/1.1"),
    bad("a fragment alone", "9112 3.2", b"GET # HTTP/1.1"),
    bad("a control character in the target", "9112 3.2", b"GET /a\x01 HTTP/1.1"),
    bad("a DEL in the target", "9112 3.2", b"GET /a\x7f HTTP/1.1"),
    bad("a NUL in the target", "9112 3.2", b"GET /a\x00 HTTP/1.1"),
    bad("a relative target", "9112 3.2", b"GET a/b HTTP/1.1"),
    bad("a relative target of dots", "9112 3.2", b"GET ../a HTTP/1.1"),
    bad("a query alone", "9112 3.2", b"GET ?a HTTP/1.1"),
    bad("an empty target", "9112 3", b"GET  HTTP/1.1"),
)

OTHER_FORMS = (
    line(
        "absolute-form: its host wins",
        "9112 3.2.2",
        b"GET http://b:81/c?d HTTP/1.1",
        absolute("http://b:81/c?d", "b:81", "/c", "d"),
    ),
    line(
        "absolute-form without a path",
        "9110 4.2.3",
        b"GET http://b HTTP/1.1",
        absolute("http://b", "b"),
    ),
    line(
        "absolute-form with only a query",
        "9110 4.2.3",
        b"GET http://b?c HTTP/1.1",
        absolute("http://b?c", "b", query="c"),
    ),
    line(
        "absolute-form, https in capitals",
        "3986 3.1",
        b"GET HTTPS://b/ HTTP/1.1",
        absolute("HTTPS://b/", "b"),
    ),
    line(
        "absolute-form, IPv6",
        "3986 3.2.2",
        b"GET http://[::1]:8000/ HTTP/1.1",
        absolute("http://[::1]:8000/", "[::1]:8000"),
    ),
    Case(
        "absolute-form still needs Host",
        "9112 3.2",
        b"GET http://b/ HTTP/1.1\r\n\r\n",
        error=BadFieldLine,
        error_target="http://b/",
    ),
    Case(
        "absolute-form does not excuse two Hosts",
        "9112 3.2",
        b"GET http://b/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        error=BadFieldLine,
        error_target="http://b/",
    ),
    Case(
        "absolute-form in HTTP/1.0",
        "9112 3.2.2",
        b"GET http://b/ HTTP/1.0\r\n\r\n",
        (
            Message(
                target="http://b/",
                fields={"HTTP_HOST": "b"},
                version=(1, 0),
                keep=False,
            ),
        ),
    ),
    bad("absolute-form with a user", "9110 4.2.4", b"GET http://me@b/ HTTP/1.1"),
    bad("absolute-form without a host", "9110 4.2.1", b"GET http:///a HTTP/1.1"),
    bad("absolute-form with a port alone", "9110 4.2.1", b"GET http://:80/ HTTP/1.1"),
    bad("absolute-form of another scheme", "9112 3.2.2", b"GET ftp://b/ HTTP/1.1"),
    bad("absolute-form with a bad host", "3986 3.2.2", b"GET http://b<c>/ HTTP/1.1"),
    bad("absolute-form with a bad port", "3986 3.2.3", b"GET http://b:8o/ HTTP/1.1"),
    line("OPTIONS *", "9112 3.2.4", b"OPTIONS * HTTP/1.1", Message("OPTIONS", "*", path="")),
    line("OPTIONS of a path", "9110 9.3.7", b"OPTIONS / HTTP/1.1", Message("OPTIONS")),
    bad("GET *", "9112 3.2.4", b"GET * HTTP/1.1"),
    bad("two asterisks", "9112 3.2.4", b"OPTIONS ** HTTP/1.1"),
    line(
        "CONNECT",
        "9112 3.2.3",
        b"CONNECT b:443 HTTP/1.1",
        Message("CONNECT", "b:443", {"HTTP_HOST": "b:443"}, path=""),
    ),
    line(
        "CONNECT to IPv6",
        "9112 3.2.3",
        b"CONNECT [::1]:443 HTTP/1.1",
        Message("CONNECT", "[::1]:443", {"HTTP_HOST": "[::1]:443"}, path=""),
    ),
    bad("CONNECT without a port", "9110 9.3.6", b"CONNECT b HTTP/1.1"),
    bad("CONNECT with an empty port", "9110 9.3.6", b"CONNECT b: HTTP/1.1"),
    bad("CONNECT to port 0", "9110 9.3.6", b"CONNECT b:0 HTTP/1.1"),
    bad("CONNECT to port 65536", "9110 9.3.6", b"CONNECT b:65536 HTTP/1.1"),
    bad("CONNECT to a path", "9112 3.2.3", b"CONNECT / HTTP/1.1"),
    bad("CONNECT to a URI", "9112 3.2.3", b"CONNECT http://b:80/ HTTP/1.1"),
    bad("authority-form without CONNECT", "9112 3.2.3", b"GET b:443 HTTP/1.1"),
)

CASES = (*METHODS, *SPACES, *VERSIONS, *ORIGIN_FORM, *OTHER_FORMS)
