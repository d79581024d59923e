"""From a request to its scope, without a server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

from corn_asgi.scope import Ends, ScopeBuilder
from corn_core.errors import BadRequest, ScriptNameMismatch
from corn_core.http import Limits, Request, RequestParser
from corn_core.net.proxy import ProxyHeader
from corn_core.wsgi import ConnectionInfo


class Config:
    """The settings that scopes depend on."""

    forwarded_allow_ips: Sequence[str] = ("127.0.0.1", "10.0.0.0/8")
    forwarder_headers = ("SCRIPT_NAME", "PATH_INFO", "REMOTE_USER")
    secure_scheme_headers: ClassVar[dict[str, str]] = {
        "X-FORWARDED-PROTO": "https",
        "X-FORWARDED-SSL": "on",
    }


def parsed(head: bytes, limits: Limits | None = None) -> Request:
    parser = RequestParser(limits or Limits())
    parser.feed(head)
    request = parser.next_request()
    assert request is not None
    return request


def scope_of(
    *lines: str,
    target: str = "/",
    method: str = "GET",
    version: str = "1.1",
    peer: Any = ("10.0.0.1", 5),
    config: Any = Config,
    state: dict[str, Any] | None = None,
    proxy: ProxyHeader | None = None,
    ends: Ends | None = None,
) -> dict[str, Any]:
    head = [f"{method} {target} HTTP/{version}", "Host: x", *lines, "", ""]
    request = parsed("\r\n".join(head).encode("latin-1"))
    info = ConnectionInfo(None, peer, None)  # type: ignore[arg-type]  # it does not matter here
    info.proxy = proxy
    ends = ends or Ends(peer, ("192.0.2.1", 80), None)
    return ScopeBuilder(config, state).build(request, info, ends)


def test_the_whole_scope() -> None:
    scope = scope_of("X-A: 1", "x-a:  2 ", "Cookie: c", target="/a%20b/%C3%A9?x=%20y")
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/a b/\xe9",
        "raw_path": b"/a%20b/%C3%A9",
        "query_string": b"x=%20y",
        "root_path": "",
        "headers": [(b"host", b"x"), (b"x-a", b"1"), (b"x-a", b"2"), (b"cookie", b"c")],
        "client": ("10.0.0.1", 5),
        "server": ("192.0.2.1", 80),
        "extensions": {
            "http.response.early_hint": {},
            "http.response.pathsend": {},
            "http.response.trailers": {},
            "http.response.zerocopysend": {},
        },
    }


@pytest.mark.parametrize(
    ("method", "target", "path", "raw"),
    [
        ("GET", "/%ff", "/\ufffd", b"/%ff"),
        ("GET", "/\xc3\xa9", "/\xe9", b"/\xc3\xa9"),
        ("GET", "/a%2Fb", "/a/b", b"/a%2Fb"),
        ("GET", "/100%", "/100%", b"/100%"),
        ("GET", "http://y/a?b", "/a", b"/a"),
        ("OPTIONS", "*", "*", b"*"),
        ("CONNECT", "y:443", "y:443", b"y:443"),
    ],
)
def test_paths(method: str, target: str, path: str, raw: bytes) -> None:
    scope = scope_of(method=method, target=target)
    assert (scope["path"], scope["raw_path"]) == (path, raw)


def test_the_authority_of_the_target_replaces_host() -> None:
    scope = scope_of("Host2: z", target="http://y:81/a")
    assert scope["headers"] == [(b"host", b"y:81"), (b"host2", b"z")]


def test_fields_are_as_they_were_sent() -> None:
    scope = scope_of("Content-TYPE: a/b", "x.Y!~1:\t\xe9\t", "Http-Z:", "X-" + "y" * 99 + ":  _ : ")
    assert scope["headers"] == [
        *((b"host", b"x"), (b"content-type", b"a/b"), (b"x.y!~1", b"\xe9"), (b"http-z", b"")),
        (b"x-" + b"y" * 99, b"_ :"),
    ]


def test_names_that_only_an_underscore_tells_apart() -> None:
    builder, info = ScopeBuilder(Config, None), ConnectionInfo(None, None, None)  # type: ignore[arg-type]
    for line, name in (("X-A: 1", b"x-a"), ("X_A: 1", b"x_a")):
        head = f"GET / HTTP/1.0\r\n{line}\r\n\r\n".encode()
        request = parsed(head, Limits(header_map="keep"))
        scope = builder.build(request, info, Ends(None, None, None))
        assert scope["headers"] == [(name, b"1")]


def test_a_version_and_a_method() -> None:
    scope = scope_of(version="1.0", method="get")
    assert (scope["http_version"], scope["method"]) == ("1.0", "GET")


def test_the_state_is_copied_for_each_request() -> None:
    state: dict[str, Any] = {"a": []}
    first = scope_of(state=state)["state"]
    assert first == state
    assert first is not state
    assert first["a"] is state["a"]
    assert "state" not in scope_of()


def test_nothing_that_an_application_changes_is_seen_by_the_next_request() -> None:
    ends = Ends(None, None, None)
    first = scope_of("A: b", ends=ends)
    first["headers"].append((b"c", b"d"))
    first["extensions"].clear()
    second = scope_of("A: b", ends=ends)
    assert second["headers"] == [(b"host", b"x"), (b"a", b"b")]
    assert second["extensions"]
    assert scope_of("A: c", ends=ends)["headers"][-1] == (b"a", b"c")


def test_a_request_without_fields_may_come_after_one_with_fields() -> None:
    ends = Ends(None, None, None)
    scope_of("A: b", ends=ends)
    builder, info = ScopeBuilder(Config, None), ConnectionInfo(None, None, None)  # type: ignore[arg-type]
    scope = builder.build(parsed(b"GET / HTTP/1.0\r\n\r\n"), info, ends)
    assert scope["headers"] == []


PROTO = "X-Forwarded-Proto: https"
FOR = "X-Forwarded-For: 1.1.1.1, 2.2.2.2, 10.0.0.9"


def test_a_trusted_front_end_is_believed() -> None:
    scope = scope_of(PROTO, FOR)
    assert scope["scheme"] == "https"
    # The last that is not a front-end itself: what is before it, anyone may have written.
    assert scope["client"] == ("2.2.2.2", 0)
    assert scope_of(PROTO, FOR, peer="")["scheme"] == "https"


def test_others_are_not() -> None:
    scope = scope_of(PROTO, FOR, peer=("8.8.8.8", 5))
    assert (scope["scheme"], scope["client"]) == ("http", ("8.8.8.8", 5))


def test_everyone_is_trusted() -> None:
    class Everyone(Config):
        forwarded_allow_ips = ("*",)

    assert scope_of(FOR, config=Everyone)["client"] == ("1.1.1.1", 0)


def test_fields_that_contradict_each_other() -> None:
    with pytest.raises(BadRequest):
        scope_of(PROTO, "X-Forwarded-Ssl: off")


def test_a_client_that_the_proxy_protocol_names_stays() -> None:
    proxy = ProxyHeader(9, "TCP4", ("3.3.3.3", 7), ("4.4.4.4", 8))
    assert scope_of(FOR, proxy=proxy)["client"] == ("10.0.0.1", 5)


def test_fields_with_underscores() -> None:
    lines = ("Remote_User: me", "X_Forwarded_For: 9.9.9.9")
    trusted = scope_of(*lines)["headers"]
    assert trusted == [(b"host", b"x"), (b"remote_user", b"me")]
    assert scope_of(*lines, peer=("8.8.8.8", 5))["headers"] == [(b"host", b"x")]


def test_script_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRIPT_NAME", "/api/")
    scope = scope_of(target="/api/x")
    assert (scope["root_path"], scope["path"]) == ("/api", "/api/x")
    for target in ("/apix", "/"):
        with pytest.raises(ScriptNameMismatch):
            scope_of(target=target)


def test_script_name_of_a_front_end() -> None:
    scope = scope_of("SCRIPT_NAME: /api", target="/api/x")
    assert (scope["root_path"], scope["path"]) == ("/api", "/api/x")
    assert scope_of("SCRIPT_NAME: /api", peer=("8.8.8.8", 5))["root_path"] == ""
