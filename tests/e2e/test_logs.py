"""The error log and the access log, as operators and their programs read them."""

from __future__ import annotations

import re
from base64 import b64encode
from pathlib import Path

import pytest

from corn_testkit.client import Address
from corn_testkit.fixtures import Serve
from corn_testkit.server import Server
from corn_testkit.waiting import wait_for

LINE = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] \[\d+\] \[[A-Z]+\] .")
SEPARATORS = ["\r", "\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]


def access_lines(server: Server, count: int) -> list[str]:
    """Return the access log once it has ``count`` lines; it must not get more."""
    wait_for(lambda: server.output.count("\n") >= count, f"{count} access lines")
    server.stop()
    lines = server.output.split("\n")
    assert lines.pop() == ""
    assert len(lines) == count
    return lines


def test_messages_of_a_life(serve: Serve) -> None:
    server = serve("probe:app")
    server.get()
    (worker,) = server.wait_for_workers(1)
    server.stop()
    for message in (
        r"\[INFO\] Starting corn \d",
        rf"\[INFO\] Listening at: http://127\.0\.0\.1:\d+ \({server.pid}\)",
        r"\[INFO\] Using worker: sync",
        rf"\[{worker}\] \[INFO\] Booting worker with pid: {worker}",
        r"\[INFO\] Handling signal: term",
        rf"\[{worker}\] \[INFO\] Worker exiting \(pid: {worker}\)",
        r"\[INFO\] Shutting down: Master",
    ):
        assert re.search(message, server.log), message
    assert all(LINE.match(line) for line in server.log.splitlines())
    assert server.output == ""


def test_default_access_format(serve: Serve) -> None:
    server = serve("--access-logfile=-", "probe:app")
    server.request("GET", "/?a=b", headers={"User-Agent": "test/1", "Referer": "http://x/"})
    (line,) = access_lines(server, 1)
    assert re.fullmatch(
        r"127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "
        r'"GET /\?a=b HTTP/1\.1" 200 5 "http://x/" "test/1"',
        line,
    )


def test_every_atom(serve: Serve) -> None:
    atoms = [*"hlurmUqHsBbfaTDMLp", "{x-request}i", "{Content-Type}o", "{REMOTE_ADDR}e"]
    layout = "|".join(f"%({atom})s" for atom in atoms)
    server = serve("--access-logfile=-", f"--access-logformat={layout}", "probe:app")
    user = b64encode(b"ada:secret").decode()
    headers = {"Authorization": f"Basic {user}", "X-Request": "17", "User-Agent": "a"}
    server.request("POST", "/echo?x=1", b"body", headers)
    (line,) = access_lines(server, 1)
    values = dict(zip(atoms, line.split("|"), strict=True))
    timed = {name: values.pop(name) for name in "TDMLp"}
    assert values == {
        "h": "127.0.0.1",
        "l": "-",
        "u": "ada",
        "r": "POST /echo?x=1 HTTP/1.1",
        "m": "POST",
        "U": "/echo",
        "q": "x=1",
        "H": "HTTP/1.1",
        "s": "200",
        "B": "4",
        "b": "4",
        "f": "-",
        "a": "a",
        "{x-request}i": "17",
        "{Content-Type}o": "application/octet-stream",
        "{REMOTE_ADDR}e": "127.0.0.1",
    }
    assert re.fullmatch(r"\d+", timed["D"])
    assert re.fullmatch(r"\d+\.\d{6}", timed["L"])
    assert re.fullmatch(r"<\d+>", timed["p"])


def test_no_access_log_by_default(serve: Serve) -> None:
    server = serve("probe:app")
    server.get()
    server.stop()
    assert server.output == ""
    assert "GET /" not in server.log


@pytest.mark.parametrize("separator", SEPARATORS, ids=ascii)
def test_user_name_cannot_forge_a_line(serve: Serve, separator: str) -> None:
    server = serve("--access-logfile=-", "--access-logformat=%(u)s", "probe:app")
    user = b64encode(f'eve{separator}127.0.0.1 "GET /"\x1b[31m:x'.encode()).decode()
    server.request(headers={"Authorization": f"Basic {user}"})
    (line,) = access_lines(server, 1)
    assert line.isprintable()
    assert '\\"GET' in line


@pytest.mark.parametrize("credentials", ["Basic", "Basic !", "Basic YQ", "Basic gA==", "Other x"])
def test_malformed_authorization_is_no_user(serve: Serve, credentials: str) -> None:
    server = serve("--access-logfile=-", "--access-logformat=%(u)s", "probe:app")
    assert server.request(headers={"Authorization": credentials}).status == 200
    assert access_lines(server, 1) == ["-"]


def test_quotes_and_controls_of_the_client_are_escaped(serve: Serve) -> None:
    layout = '"%(r)s" "%(a)s" "%(f)s" "%(q)s"'
    server = serve("--access-logfile=-", f"--access-logformat={layout}", "probe:app")
    server.raw(
        b'GET /"x"?q="y" HTTP/1.1\r\nHost: x\r\nUser-Agent: a" "b\\\r\nReferer: \x9b\xe9\r\n\r\n'
    )
    (line,) = access_lines(server, 1)
    assert line.isprintable()
    quoted = r'"(?:[^"\\]|\\.)*"'
    assert re.fullmatch(" ".join([quoted] * 4), line)


def test_bad_request_is_in_the_access_log(serve: Serve) -> None:
    server = serve("--access-logfile=-", "--access-logformat=%(h)s %(s)s %(r)s", "probe:app")
    server.raw(b"nonsense\r\n\r\n")
    server.raw(b"GET /path HTTP/1.1\r\nHost : x\r\n\r\n")
    first, second = access_lines(server, 2)
    assert first.startswith("127.0.0.1 400 ")
    assert second == "127.0.0.1 400 GET /path HTTP/1.1"


def test_failing_application_is_in_both_logs(serve: Serve) -> None:
    server = serve("--access-logfile=-", "--access-logformat=%(s)s", "probe:app")
    server.tracebacks_expected = True
    reply = server.request(path="/fail?x=1")
    assert reply.status == 500
    assert b"the application has failed" not in reply.body
    server.wait_for_log(r"\[ERROR\] .*/fail\?x=1")
    server.wait_for_log("RuntimeError: the application has failed")
    assert access_lines(server, 1) == ["500"]
    assert server.log.count("Traceback") == 1


def test_log_files(serve: Serve, tmp_path: Path) -> None:
    error, access, path = (tmp_path / name for name in ("error.log", "access.log", "s.sock"))
    arguments = [f"--log-file={error}", f"--access-logfile={access}", "probe:app"]
    server = serve(*arguments, bind=(f"unix:{path}",), wait=False)
    wait_for(lambda: error.exists() and "Listening at" in error.read_text(), "the error log")
    assert Address(f"unix:{path}").request("GET", "/").status == 200
    server.stop()
    assert "Shutting down: Master" in error.read_text()
    assert access.read_text().count("GET / HTTP/1.1") == 1
    assert server.log == server.output == ""


@pytest.mark.parametrize(
    ("level", "shown"), [("debug", True), ("info", True), ("warning", False), ("error", False)]
)
def test_level(serve: Serve, tmp_path: Path, level: str, shown: bool) -> None:
    path = tmp_path / "level.sock"
    server = serve(f"--log-level={level}", "probe:app", bind=(f"unix:{path}",), wait=False)
    wait_for(path.exists, "the socket")
    server.stop()
    assert ("[INFO]" in server.log) is shown
    assert ("[DEBUG]" in server.log) is (level == "debug")


@pytest.mark.parametrize("flag", ["--log-file", "--access-logfile"])
def test_unwritable_log_is_an_error_at_once(serve: Serve, flag: str) -> None:
    server = serve(f"{flag}=/nowhere/at/all.log", "probe:app", wait=False)
    server.wait(1)
    assert "/nowhere/at/all.log" in server.log
    assert "Listening" not in server.log
