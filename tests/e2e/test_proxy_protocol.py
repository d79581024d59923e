"""Connections that a proxy passes on, and fields that only a trusted front-end may send."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from corn_testkit.client import parse, parse_all
from corn_testkit.fixtures import Serve
from corn_testkit.server import Server, run
from corn_testkit.waiting import wait_for
from tests.unit.net.test_proxy import IPV4, v2

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
LINE = b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 80\r\n"
CLIENT = {
    "REMOTE_ADDR": "192.0.2.1",
    "REMOTE_PORT": "1234",
    "PROXY_PROTOCOL": "TCP4",
    "PROXY_ADDR": "192.0.2.2",
    "PROXY_PORT": "80",
}


def environ_of(data: bytes) -> dict[str, Any]:
    reply = parse(data)
    assert reply.status == 200, reply
    environ: dict[str, Any] = json.loads(reply.body)
    return environ


def proxied(environ: dict[str, Any]) -> dict[str, Any]:
    return {key: environ[key] for key in environ if key in CLIENT}


@pytest.fixture
def server(serve: Serve) -> Server:
    return serve("--proxy-protocol", "--access-logfile=-", "proxied:app")


@pytest.mark.parametrize("header", [LINE, v2(1, 0x11, IPV4)], ids=["v1", "v2"])
def test_the_client_takes_the_place_of_the_proxy(server: Server, header: bytes) -> None:
    assert proxied(environ_of(server.raw(header + REQUEST))) == CLIENT
    wait_for(lambda: server.output.startswith("192.0.2.1 - - "), "the access line")


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", v2(0, 0, b"")], ids=["v1", "v2"])
def test_the_proxys_own_connection(server: Server, header: bytes) -> None:
    environ = environ_of(server.raw(header + REQUEST))
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert "PROXY_PROTOCOL" not in environ


def test_every_request_of_a_kept_connection_is_the_clients(serve: Serve) -> None:
    server = serve("--proxy-protocol", "-k", "keepalive.KeepAliveWorker", "proxied:app")
    first = REQUEST.replace(b"Connection: close\r\n", b"")
    replies = parse_all(server.raw(LINE + first + REQUEST))
    assert [proxied(json.loads(reply.body)) for reply in replies] == [CLIENT, CLIENT]


def test_a_malformed_header_is_refused(server: Server) -> None:
    assert parse(server.raw(b"PROXY TCP4 x y 1 2\r\n" + REQUEST)).status == 400
    server.wait_for_log("Invalid request from ip=127.0.0.1: malformed TCP4 address")


def test_a_header_from_anybody_is_forbidden(serve: Serve) -> None:
    server = serve("--proxy-protocol", "--proxy-allow-from=10.0.0.0/8", "proxied:app")
    assert parse(server.raw(LINE + REQUEST)).status == 403
    assert environ_of(server.raw(REQUEST))["REMOTE_ADDR"] == "127.0.0.1"


def test_without_the_setting_it_is_no_request(serve: Serve) -> None:
    assert parse(serve("proxied:app").raw(LINE + REQUEST)).status == 400


def test_a_version_by_config_file(serve: Serve, tmp_path: Path) -> None:
    config = tmp_path / "conf.py"
    config.write_text("proxy_protocol = 'v2'\n")
    server = serve("-c", str(config), "proxied:app")
    assert proxied(environ_of(server.raw(v2(1, 0x11, IPV4) + REQUEST))) == CLIENT
    assert parse(server.raw(LINE + REQUEST)).status == 400


def test_a_bad_mode_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "corn.conf.py").write_text("proxy_protocol = 'v3'\n")
    result = run("proxied:app", cwd=tmp_path)
    assert result.returncode == 1
    assert "proxy_protocol: expected off, v1, v2 or auto" in result.stderr


def test_script_name_of_a_trusted_front_end(serve: Serve) -> None:
    server = serve("proxied:app")
    head = b"GET /shop/cart HTTP/1.1\r\nHost: x\r\nSCRIPT_NAME: /shop\r\nREMOTE_USER: me\r\n\r\n"
    environ = environ_of(server.raw(head))
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/shop", "/cart")
    assert "HTTP_REMOTE_USER" not in environ


def test_forwarder_headers(serve: Serve) -> None:
    server = serve("--forwarder-headers=remote-user", "proxied:app")
    head = b"GET /shop HTTP/1.1\r\nHost: x\r\nSCRIPT_NAME: /shop\r\nREMOTE_USER: me\r\n\r\n"
    environ = environ_of(server.raw(head))
    assert environ["HTTP_REMOTE_USER"] == "me"
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("", "/shop")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (b"SCRIPT_NAME: /a\r\nSCRIPT_NAME: /b\r\n", 400),
        (b"SCRIPT_NAME: /other\r\n", 500),
    ],
)
def test_script_name_that_cannot_be(serve: Serve, fields: bytes, status: int) -> None:
    server = serve("proxied:app")
    assert parse(server.raw(b"GET /a HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n")).status == status


def test_script_name_of_anybody_is_dropped(serve: Serve) -> None:
    server = serve("--forwarded-allow-ips=10.1.1.1", "proxied:app")
    head = b"GET /shop/cart HTTP/1.1\r\nHost: x\r\nSCRIPT_NAME: /shop\r\n\r\n"
    environ = environ_of(server.raw(head))
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("", "/shop/cart")
