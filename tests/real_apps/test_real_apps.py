"""Flask and Django applications give the same through corn as through their own test clients."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from urllib.parse import urlencode

import pytest

from corn_testkit.client import Reply
from corn_testkit.server import Server

HERE = Path(__file__).parent
HOST = "shop.example"

# The fields that belong to the server; all others are the application's.
SERVERS_OWN = {"connection", "date", "server", "transfer-encoding"}

CONTENT = random.Random(20).randbytes(20 * 1024 * 1024)
BOUNDARY = "a boundary that is quoted"
MULTIPART = (
    b'--%(b)b\r\nContent-Disposition: form-data; name="title"\r\n\r\nholiday\r\n'
    b'--%(b)b\r\nContent-Disposition: form-data; name="file"; filename="beach.raw"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n%(content)b\r\n--%(b)b--\r\n"
) % {b"b": BOUNDARY.encode(), b"content": CONTENT}


@dataclass(frozen=True)
class Case:
    """One request, sent both ways."""

    method: str
    path: str
    status: int
    body: bytes = field(default=b"", repr=False)
    content_type: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


CASES = [
    Case("GET", "/", 200),
    Case("GET", "/?q=a%20b%2Bc", 200),
    Case("HEAD", "/", 200),
    Case("GET", "/stream", 200),
    Case("HEAD", "/stream", 200),
    Case("GET", "/old", 302),
    Case("GET", "/missing/page", 404),
    Case(
        "POST",
        "/form",
        200,
        urlencode([("name", "Zoë"), ("tag", "a&b"), ("tag", "c d")]).encode(),
        "application/x-www-form-urlencoded",
    ),
    Case("POST", "/upload", 200, MULTIPART, f'multipart/form-data; boundary="{BOUNDARY}"'),
]


def ask_flask(case: Case) -> Reply:
    from tests.real_apps import flask_app

    response = flask_app.app.test_client().open(
        case.path,
        method=case.method,
        data=case.body,
        content_type=case.content_type or None,
        base_url=f"http://{HOST}/",
    )
    reason = response.status.partition(" ")[2]
    return Reply(response.status_code, reason, list(response.headers), response.data)


def ask_django(case: Case) -> Reply:
    from tests.real_apps import django_app

    assert django_app.application, "the module configures Django"
    from django.test import Client

    response = Client(SERVER_NAME=HOST).generic(
        case.method, case.path, case.body, content_type=case.content_type
    )
    cookies = [("Set-Cookie", cookie.OutputString()) for cookie in response.cookies.values()]
    body = response.getvalue()
    return Reply(response.status_code, response.reason_phrase, [*response.items(), *cookies], body)


ASK: dict[str, Callable[[Case], Reply]] = {
    "flask_app:app": ask_flask,
    "django_app:application": ask_django,
}


@pytest.fixture(scope="module", params=ASK)
def app(request: pytest.FixtureRequest) -> str:
    # Not at the top of this module: every process of a run collects it, and few of them run this.
    import_module(f"tests.real_apps.{request.param.partition(':')[0]}")
    return str(request.param)


@pytest.fixture(scope="module")
def server(app: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all requests to an application."""
    home = tmp_path_factory.mktemp("server")
    running = Server(home, ["--bind=127.0.0.1:0", app], HERE)
    try:
        yield running.started()
        running.stop()
    finally:
        running.kill()
    running.check_log()


def by_name(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Group the application's fields by name, in order (RFC 9110 section 5.3)."""
    fields = [field for field in headers if field[0].lower() not in SERVERS_OWN]
    return sorted(fields, key=lambda field: field[0].lower())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_same_as_own_test_client(app: str, server: Server, case: Case) -> None:
    wanted = ASK[app](case)
    headers = {"Host": HOST}
    if case.content_type:
        headers["Content-Type"] = case.content_type
    reply = server.request(case.method, case.path, case.body or None, headers)
    assert reply.status == wanted.status == case.status
    assert reply.reason == wanted.reason
    assert reply.body == wanted.body
    assert by_name(reply.headers) == by_name(wanted.headers)


def test_upload_arrives_whole(server: Server) -> None:
    """The comparison above cannot tell when both sides lose the same."""
    upload = CASES[-1]
    headers = {"Content-Type": upload.content_type}
    facts = json.loads(server.request("POST", "/upload", upload.body, headers).body)
    assert (facts["name"], facts["size"]) == ("beach.raw", 20 * 1024 * 1024)
    assert facts["title"] == "holiday"


def test_stream_is_chunked_and_whole(server: Server) -> None:
    reply = server.request(path="/stream")
    assert reply.header("Transfer-Encoding") == "chunked"
    assert reply.body.splitlines()[-1] == b"999,998001"
