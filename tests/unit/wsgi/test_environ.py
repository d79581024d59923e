"""The environ: what PEP 3333 and the manual promise, and what a client must not be able to do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corn_core import __version__
from corn_core.errors import BadRequest, ScriptNameMismatch, SettingError
from corn_core.net import Listener
from corn_core.setting import Expected
from corn_core.wsgi import ConnectionInfo, EnvironBuilder, FileWrapper, empty_body
from corn_core.wsgi.environ import SETTINGS, read_script_name, unquote
from corn_core.wsgi.offered import OfferedSocket
from tests.unit.wsgi.harness import Server, make_body, make_config, make_request

PROXY = ("127.0.0.1", 4711)
STRANGER = ("192.0.2.7", 4711)


class NoLog:
    """A logger for builders whose environs are not used for writing errors."""

    def wsgi_errors(self, text: str) -> None:
        raise AssertionError(f"nothing to log, but {text!r} was")


NO_LOG: Any = NoLog()


@pytest.fixture
def build(listener: Listener) -> Any:
    """Builds the environ of a request head."""

    def build(
        head: str = "GET / HTTP/1.1\nHost: example.com",
        *,
        peer: Any = STRANGER,
        scheme: str = "http",
        script_name: str = "",
        at: Listener = listener,
        **settings: object,
    ) -> dict[str, Any]:
        builder = EnvironBuilder(
            make_config(**settings),
            NO_LOG,
            multithread=False,
            variables={"SCRIPT_NAME": script_name} if script_name else {},
        )
        connection = ConnectionInfo(at, peer, "the socket", scheme)
        return builder.build(make_request(head), empty_body(), connection)

    return build


def test_a_whole_environ(listener: Listener, server: Server) -> None:
    builder = EnvironBuilder(server.config, server.log, multithread=True, variables={})
    body = make_body(b"abc")
    head = (
        "POST /caf%C3%A9?a=1&b=%20 HTTP/1.1\nHost: example.com:81\nContent-Type: text/plain\n"
        "Content-Length: 3\nX-One: 1\nX-One: 2\nCookie: a=1\nCookie: b=2"
    )
    environ = builder.build(make_request(head), body, ConnectionInfo(listener, STRANGER, "sock"))
    assert type(environ) is dict
    assert environ.pop("wsgi.errors").write("") == 0
    assert type(environ["corn.socket"]) is OfferedSocket
    assert environ.pop("corn.socket") is environ.pop("gunicorn.socket")
    assert environ == {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/caf\xc3\xa9",
        "QUERY_STRING": "a=1&b=%20",
        "RAW_URI": "/caf%C3%A9?a=1&b=%20",
        "REQUEST_URI": "/caf%C3%A9?a=1&b=%20",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": "3",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": listener.server_port,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": f"corn/{__version__}",
        "REMOTE_ADDR": "192.0.2.7",
        "REMOTE_PORT": "4711",
        "HTTP_HOST": "example.com:81",
        "HTTP_X_ONE": "1,2",
        "HTTP_COOKIE": "a=1; b=2",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
    }


def test_environs_share_nothing(listener: Listener, server: Server) -> None:
    builder = EnvironBuilder(server.config, server.log, multithread=False)
    connection = ConnectionInfo(listener, STRANGER, None)
    request = make_request("GET / HTTP/1.1\nHost: a\nX-Only: here")
    first = builder.build(request, empty_body(), connection)
    first.update(HTTP_HOST="changed", EXTRA="1", SERVER_NAME="changed")
    second = builder.build(make_request(), empty_body(), connection)
    assert second["HTTP_HOST"] == "example.com"
    assert second["SERVER_NAME"] == "127.0.0.1"
    assert "EXTRA" not in second
    assert "HTTP_X_ONLY" not in second
    assert request.fields["HTTP_HOST"] == "a"


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/", "/"),
        ("//double//slash", "//double//slash"),
        ("/a;x=1/b;y=%3B", "/a;x=1/b;y=;"),
        ("/%2Fetc%2f", "//etc/"),
        ("/%zz%4", "/%zz%4"),
        ("/%25zz", "/%zz"),
        ("/%252F", "/%2F"),
        ("/a+b", "/a+b"),
        ("/%00", "/\0"),
        ("/\xc3\xa9%E2%82%AC", "/\xc3\xa9\xe2\x82\xac"),
        ("/a/../b/./c", "/a/../b/./c"),
    ],
)
def test_path_info(build: Any, target: str, path: str) -> None:
    environ = build(f"GET {target}?q HTTP/1.1\nHost: a")
    assert environ["PATH_INFO"] == path
    assert environ["QUERY_STRING"] == "q"
    assert environ["RAW_URI"] == f"{target}?q"


@given(st.binary())
def test_unquote_is_the_inverse_of_quoting(path: bytes) -> None:
    quoted = "".join(f"%{byte:02X}" for byte in path)
    assert unquote(quoted) == unquote(quoted.lower()) == path.decode("latin-1")


def test_protocol_of_http_1_0(build: Any) -> None:
    assert build("GET / HTTP/1.0")["SERVER_PROTOCOL"] == "HTTP/1.0"


def test_httpoxy(build: Any) -> None:
    environ = build("GET / HTTP/1.1\nHost: a\nProxy: http://evil.example:1080\nProxy-X: 1")
    assert "HTTP_PROXY" not in environ
    assert environ["HTTP_PROXY_X"] == "1"


# -- the server and the peer ---------------------------------------------------------


def test_server_name_is_never_taken_from_host_on_tcp(build: Any, listener: Listener) -> None:
    environ = build("GET / HTTP/1.1\nHost: evil.example:1234")
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == (
        listener.server_name,
        listener.server_port,
    )


@pytest.mark.parametrize(
    ("head", "server"),
    [
        ("GET / HTTP/1.1\nHost: example.com", ("example.com", "80")),
        ("GET / HTTP/1.1\nHost: example.com:8080", ("example.com", "8080")),
        ("GET / HTTP/1.1\nHost: [2001:db8::1]", ("[2001:db8::1]", "80")),
        ("GET / HTTP/1.1\nHost: [2001:db8::1]:81", ("[2001:db8::1]", "81")),
        ("GET / HTTP/1.1\nHost: a\nX-Forwarded-Proto: https", ("a", "443")),
        ("GET / HTTP/1.0", ("localhost", "80")),
    ],
)
def test_unix_socket(
    build: Any, unix_listener: Listener, head: str, server: tuple[str, str]
) -> None:
    environ = build(head, at=unix_listener, peer="")
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == server
    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("", "")


def test_peer_of_ipv6(build: Any) -> None:
    environ = build(peer=("2001:db8::1", 5, 0, 0))
    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("2001:db8::1", "5")


@pytest.mark.parametrize(
    ("peer", "host", "port"),
    [(("192.0.2.7", 80), "192.0.2.7", "80"), ("", "", ""), (b"", "", "")],
)
def test_connection_info(listener: Listener, peer: Any, host: str, port: str) -> None:
    connection = ConnectionInfo(listener, peer, None)
    assert connection.peer_host == host
    assert connection.address() == {"REMOTE_ADDR": host, "REMOTE_PORT": port}
    assert connection.scheme == "http"


# -- the scheme ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "scheme"),
    [
        ("X-Forwarded-Proto: https", "https"),
        ("X-Forwarded-Proto: http", "http"),
        ("X-Forwarded-Proto: HTTPS", "http"),
        ("X-Forwarded-Protocol: ssl", "https"),
        ("X-Forwarded-Ssl: on", "https"),
        ("x-forwarded-ssl: off", "http"),
        ("X-Forwarded-Proto: https\nX-Forwarded-Ssl: on", "https"),
        ("X-Forwarded-Proto: https\nX-Forwarded-Proto: https", "https"),
        # One line of one proxy, whatever it means: it is not the value that means https.
        ("X-Forwarded-Proto: https,http", "http"),
        ("Forwarded: proto=https", "http"),
    ],
)
def test_scheme_by_a_trusted_peer(
    build: Any, fields: str, scheme: str, unix_listener: Listener
) -> None:
    head = f"GET / HTTP/1.1\nHost: a\n{fields}"
    assert build(head, peer=PROXY)["wsgi.url_scheme"] == scheme
    assert build(head, peer=STRANGER)["wsgi.url_scheme"] == "http"
    assert build(head, peer=STRANGER, forwarded_allow_ips="*")["wsgi.url_scheme"] == scheme
    assert build(head, peer="", at=unix_listener)["wsgi.url_scheme"] == scheme


@pytest.mark.parametrize(
    "fields",
    [
        "X-Forwarded-Proto: https\nX-Forwarded-Ssl: off",
        "X-Forwarded-Proto: http\nX-Forwarded-Ssl: on",
        "X-Forwarded-Proto: https\nX-Forwarded-Proto: http",
        "X-Forwarded-Proto: http\nX-Forwarded-Protocol: http\nX-Forwarded-Ssl: on",
    ],
)
def test_contradictory_scheme(build: Any, fields: str) -> None:
    head = f"GET / HTTP/1.1\nHost: a\n{fields}"
    with pytest.raises(BadRequest, match="contradict") as caught:
        build(head, peer=PROXY)
    assert caught.value.status == 400
    # Who is not believed cannot contradict himself.
    assert build(head, peer=STRANGER)["wsgi.url_scheme"] == "http"


def test_scheme_of_each_request_of_a_front_end(listener: Listener) -> None:
    """Each request has its own scheme, however alike the fields of two are."""
    builder = EnvironBuilder(make_config(), NO_LOG, multithread=False, variables={})
    connection = ConnectionInfo(listener, PROXY, None)
    proto = "X-Forwarded-Proto: "
    for fields, scheme in (
        (f"{proto}https", "https"),
        (f"{proto}https", "https"),
        (f"{proto}http", "http"),
        ("X-Forwarded-Ssl: on", "https"),
        (f"{proto}on", "http"),
        # Joined, these two have the same value.
        (f"{proto}https,https", "http"),
        (f"{proto}https\n{proto}https", "https"),
        (f"{proto}https,https", "http"),
    ):
        request = make_request(f"GET / HTTP/1.1\nHost: a\n{fields}")
        environ = builder.build(request, empty_body(), connection)
        assert environ["wsgi.url_scheme"] == scheme, fields
    with pytest.raises(BadRequest, match="contradict"):
        both = make_request(f"GET / HTTP/1.1\nHost: a\n{proto}https\nX-Forwarded-Ssl: off")
        builder.build(both, empty_body(), connection)


def test_scheme_headers_of_the_configuration(build: Any) -> None:
    setting = {"x-scheme": "a,b"}
    secure = build(
        "GET / HTTP/1.1\nHost: a\nX-Scheme: a,b", peer=PROXY, secure_scheme_headers=setting
    )
    assert secure["wsgi.url_scheme"] == "https"
    plain = build(
        "GET / HTTP/1.1\nHost: a\nX-Forwarded-Proto: https",
        peer=PROXY,
        secure_scheme_headers=setting,
    )
    assert plain["wsgi.url_scheme"] == "http"


def test_scheme_of_the_connection(build: Any) -> None:
    assert build(scheme="https")["wsgi.url_scheme"] == "https"
    head = "GET / HTTP/1.1\nHost: a\nX-Forwarded-Proto: http"
    assert build(head, scheme="https")["wsgi.url_scheme"] == "https"
    assert build(head, scheme="https", peer=PROXY)["wsgi.url_scheme"] == "http"


@pytest.mark.parametrize("raw", ["X-A", ["X-A"], {"X-A": 1}, {1: "x"}, {"": "x"}, {"X-A": ""}])
def test_scheme_headers_refuse(raw: object) -> None:
    (setting,) = [s for s in SETTINGS if s.name == "secure_scheme_headers"]
    with pytest.raises(Expected, match="a dictionary of field names"):
        setting.parse(raw)


# -- SCRIPT_NAME ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script_name", "target", "split"),
    [
        ("/app", "/app/page", ("/app", "/page")),
        ("/app", "/app", ("/app", "")),
        ("/app", "/app/", ("/app", "/")),
        ("/app", "/app//x", ("/app", "//x")),
        ("/app/", "/app/page", ("/app", "/page")),
        ("/a/b", "/a/b/c", ("/a/b", "/c")),
        ("/a b", "/a%20b/c", ("/a b", "/c")),
        ("/a%20b", "/a%20b/c", ("/a b", "/c")),
        ("/\u00e9", "/%C3%A9/c", ("/\xc3\xa9", "/c")),
        ("/", "/page", ("", "/page")),
    ],
)
def test_script_name(build: Any, script_name: str, target: str, split: tuple[str, str]) -> None:
    environ = build(f"GET {target} HTTP/1.1\nHost: a", script_name=script_name)
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == split


@pytest.mark.parametrize("target", ["/", "/other", "/application", "/APP/x"])
def test_path_not_under_script_name(build: Any, target: str) -> None:
    with pytest.raises(ScriptNameMismatch, match="is not under SCRIPT_NAME '/app'") as caught:
        build(f"GET {target} HTTP/1.1\nHost: a", script_name="/app")
    assert caught.value.status == 500


def test_asterisk_form_has_no_script_name(build: Any) -> None:
    environ = build("OPTIONS * HTTP/1.1\nHost: a", script_name="/app")
    assert environ["SCRIPT_NAME"] == ""
    assert environ["RAW_URI"] == "*"


def test_script_name_field_is_not_believed(build: Any) -> None:
    environ = build("GET /x HTTP/1.1\nHost: a\nScript-Name: /evil\nSCRIPT_NAME: /evil")
    assert environ["SCRIPT_NAME"] == ""


def test_script_name_without_slash_is_refused() -> None:
    with pytest.raises(SettingError, match=r"a path that begins with /, got 'app' \(environment"):
        read_script_name({"SCRIPT_NAME": "app"})


# -- what is left when there is no environ -------------------------------------------


def test_describe(server: Server) -> None:
    builder = EnvironBuilder(server.config, server.log, multithread=False)
    request = make_request("GET /%41?q HTTP/1.0\nUser-Agent: tester")
    connection = server.connection()
    assert builder.describe(None, connection) == {
        "REMOTE_ADDR": "192.0.2.7",
        "REMOTE_PORT": "4711",
    }
    assert builder.describe(request, connection) == {
        "REMOTE_ADDR": "192.0.2.7",
        "REMOTE_PORT": "4711",
        "HTTP_USER_AGENT": "tester",
        "REQUEST_METHOD": "GET",
        "RAW_URI": "/%41?q",
        "REQUEST_URI": "/%41?q",
        "PATH_INFO": "/A",
        "QUERY_STRING": "q",
        "SERVER_PROTOCOL": "HTTP/1.0",
    }
