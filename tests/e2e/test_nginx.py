"""Behind nginx, as the sync worker is meant to be deployed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from corn_testkit.client import Address, listens, parse_all, read_all
from corn_testkit.fixtures import Serve
from corn_testkit.server import Server
from corn_testkit.waiting import wait_for
from tests import nginx

pytestmark = pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")

HTTP = """
    client_max_body_size 32m;
    upstream corn {{ server {upstream} fail_timeout=0; }}
    server {{
        listen unix:{home}/front.sock;
        location / {{
            proxy_http_version {version};
            proxy_request_buffering {buffering};
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto https;
            proxy_pass http://corn;
        }}
    }}
"""


@pytest.fixture
def backend(serve: Serve, tmp_path: Path) -> Server:
    return serve("--workers=2", "probe:app", bind=(f"unix:{tmp_path}/back.sock",))


@pytest.fixture(params=[("1.0", "on"), ("1.1", "on"), ("1.1", "off")], ids="-".join)
def front(request: pytest.FixtureRequest, backend: Server, tmp_path: Path) -> Iterator[Address]:
    """nginx in front of the server; it takes requests at this address."""
    version, buffering = request.param
    http = HTTP.format(
        home=tmp_path, upstream=backend.address.url, version=version, buffering=buffering
    )
    command = nginx.command(tmp_path, http)
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            address = Address(f"unix:{tmp_path}/front.sock")
            wait_for(lambda: listens(address), "nginx to listen")
            yield address
        finally:
            process.terminate()


def test_requests_through_nginx(front: Address, backend: Server) -> None:
    wsgi = json.loads(front.request("GET", "/facts").text)["wsgi"]
    assert wsgi["wsgi.url_scheme"] == "https"
    assert wsgi["REMOTE_ADDR"] == ""
    body = os.urandom(5 * 1024 * 1024)
    assert front.request("POST", "/echo", body).body == body
    assert len(front.request("GET", "/large?q=2000").body) == 2000 * 1024
    assert front.request("GET", "/missing").status == 404
    with front.connect() as client:
        # Kept open between client and nginx, though corn closes its own connections.
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert [reply.text for reply in parse_all(read_all(client))] == ["hello"] * 3
    backend.stop()
