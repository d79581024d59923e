"""The command: what it asks for, what it prints, and how it ends; without a server."""

from __future__ import annotations

import io
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from corn_control.client import Connection, Unreachable
from corn_control.cornctl import main, parser, request_of, tell
from corn_control.operations import Events, Operations
from corn_control.protocol import Request
from corn_control.render import memory, span, text_of
from corn_control.samples import Sample, quantile, rates
from corn_control.shared import Shared
from corn_control.top import line, view

REQUESTS: dict[str, tuple[str, dict[str, object]]] = {
    "status": ("status", {}),
    "workers": ("workers", {}),
    "requests": ("requests", {}),
    "config": ("config", {}),
    "commands": ("commands", {}),
    "reload": ("reload", {}),
    "upgrade": ("upgrade", {"keep": False}),
    "upgrade --keep": ("upgrade", {"keep": True}),
    "scale 4": ("scale", {"workers": "4"}),
    "scale +1": ("scale", {"workers": "+1"}),
    "scale -1": ("scale", {"workers": "-1"}),
    "drain": ("drain", {"quick": False}),
    "drain --quick": ("drain", {"quick": True}),
    "log-level debug": ("log-level", {"level": "debug"}),
    "reopen-logs": ("reopen-logs", {}),
    "stacks 7": ("stacks", {"pid": 7}),
    "recycle 7": ("recycle", {"pid": 7}),
    "kill 7": ("kill", {"pid": 7, "signal": "term"}),
    "kill --signal KILL 7": ("kill", {"pid": 7, "signal": "KILL"}),
    "run freeze until=x=y a=": ("freeze", {"until": "x=y", "a": ""}),
}


@pytest.mark.parametrize("words", REQUESTS)
def test_request(words: str) -> None:
    assert request_of(parser().parse_args(words.split())) == REQUESTS[words]


def test_every_command_of_the_server_can_be_asked_for() -> None:
    asked = {command for command, _ in REQUESTS.values()} - {"freeze"}
    assert asked == Operations(Shared(1), Events()).commands().keys() - {"successor-serves"}


def test_options_may_come_before_and_after_the_command() -> None:
    for words in ("-s a --timeout 5 --json reload", "reload -s a --timeout 5 --json"):
        given = parser().parse_args(words.split())
        assert (given.socket, given.timeout, given.json) == ("a", 5.0, True)


@pytest.mark.parametrize(
    "words",
    [
        *("", "nonsense", "scale", "kill x", "log-level loud", "--timeout -1 status"),
        *("--timeout nan status", "run x y", "run x =y", "top --interval 0", "top --count 0"),
    ],
)
def test_wrong_command_line(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        main(["-s", "nowhere", *words.split()])
    assert exited.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_which_server(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("CORN_CONTROL", raising=False)
    with pytest.raises(SystemExit):
        main(["status"])
    assert "-s PATH, or in CORN_CONTROL" in capsys.readouterr().err
    monkeypatch.setenv("CORN_CONTROL", "/nowhere/control")
    assert main(["status"]) == 3
    assert "is the server running, and with --control /nowhere" in capsys.readouterr().err
    assert main(["--json", "reload"]) == 3
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "unreachable"
    assert main(["top", "--count", "1"]) == 3


def test_a_socket_that_a_dead_server_has_left(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(tmp_path / "control"))
    with pytest.raises(Unreachable, match=r"no server answers at .* any more"):
        Connection(str(tmp_path / "control"))


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (b"", "has closed the connection"),
        (b'{"v":1', "has closed the connection"),
        (b"HTTP/1.1 400\r\n", "is not the control socket"),
        (b"[]\n", "speaks another version"),
        (b'{"v":2,"ok":true}\n', "speaks another version"),
    ],
)
def test_a_server_that_is_another_one(tmp_path: Path, said: bytes, text: str) -> None:
    path = str(tmp_path / "control")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(path)
        server.listen()
        with Connection(path) as connection:
            accepted, _ = server.accept()
            with accepted:
                accepted.sendall(said)
                accepted.shutdown(socket.SHUT_WR)
                with pytest.raises(Unreachable, match=text):
                    connection.ask(Request("status", {}))


def error(code: str) -> dict[str, Any]:
    return {"v": 1, "ok": False, "error": {"code": code, "message": "why"}}


@pytest.mark.parametrize(
    ("answer", "status", "out", "err"),
    [
        ({"v": 1, "ok": True, "result": {"message": "done"}}, 0, "done\n", ""),
        (error("refused"), 1, "", "cornctl: why\n"),
        (error("internal"), 1, "", "cornctl: why\n"),
        (error("unreachable"), 3, "", "cornctl: why\n"),
        (error("timeout"), 4, "", "cornctl: why\n"),
    ],
)
def test_exit_status(
    answer: dict[str, Any], status: int, out: str, err: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell("reload", answer, as_json=False) == status
    assert capsys.readouterr() == (out, err)
    assert tell("reload", answer, as_json=True) == status
    assert json.loads(capsys.readouterr().out) == answer


# -- what is printed -----------------------------------------------------------------

DURATIONS = {"seconds": 2.0, "bounds": [0.1, 1.0], "counts": [6, 3, 1]}
STATUS: dict[str, Any] = {
    "version": "0.1.0",
    "pid": 7,
    "name": "app:\x1b[2Japp",
    "state": "changing",
    "generation": 4,
    "worker_class": "sync",
    "uptime": 7260.0,
    "predecessor": None,
    "workers": {"wanted": 3, "serving": 2, "outdated": 0, "booting": 1, "draining": 0},
    "listeners": [{"url": "http://x", "queued": 3}, {"url": "unix:y", "queued": None}],
    "successor": 8,
    "connections": 5,
    "in_flight": 1,
    "durations": DURATIONS,
}
WORKER = {
    "pid": 9,
    "generation": 4,
    "state": "busy",
    "serving": 61.0,
    "requests": 10,
    "in_flight": 1,
    "connections": 5,
    "memory": 10 * 2**20,
}
RUNNING = {
    "pid": 9,
    "state": "busy",
    "in_flight": 1,
    "seconds": 3.0,
    "method": "GET",
    "path": "/[bold]\x07",
}


def test_status() -> None:
    assert text_of("status", STATUS).splitlines() == [
        "app:?[2Japp: changing, generation 4, 2 of 3 workers, 1 booting",
        "  master 7, corn 0.1.0, sync workers, up 2h1m",
        "  listens at http://x, 3 waiting",
        "  listens at unix:y",
        "  10 requests answered, 200.0ms on average; 1 in flight, 5 connections",
        "  successor: master 8",
    ]


def test_tables() -> None:
    booting = {**WORKER, "pid": 10000, "state": "booting", "serving": None, "memory": None}
    assert text_of("workers", {"workers": [WORKER, booting]}).splitlines() == [
        "PID    GEN  STATE    SERVING  REQUESTS  IN FLIGHT  CONNS  MEMORY",
        "9      4    busy     61.0s    10        1          5      10.0M",
        "10000  4    booting  -        10        1          5      -",
    ]
    assert text_of("requests", {"requests": [RUNNING]}).splitlines()[1].split() == [
        *("9", "busy", "1", "3.0s", "GET", "/[bold]?"),
    ]
    assert text_of("stacks", {"stacks": "Thread\n  File \x1b"}) == "Thread\n  File ?"
    setting = {"name": "workers", "value": "2", "origin": "flag -w"}
    assert text_of("config", {"settings": [setting]}) == "workers = 2  # flag -w"
    assert text_of("freeze", {"until": 1}) == '{\n  "until": 1\n}'


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((None, None), (0.00004, "40us"), (0.0015, "1.5ms"), (12.0, "12.0s"), (125.0, "2m5s")),
        *((7260.0, "2h1m"), (90 * 3600.0, "3d18h")),
    ],
)
def test_span(seconds: float | None, text: str | None) -> None:
    assert span(seconds) == text


def test_memory() -> None:
    assert (memory(None), memory(3 * 2**19)) == (None, "1.5M")


# -- top -----------------------------------------------------------------------------

BEFORE = Sample(100.0, STATUS, [WORKER], [RUNNING])


def later(pid: int = 7) -> Sample:
    durations = {**DURATIONS, "seconds": 6.0, "counts": [16, 12, 1]}
    status = {**STATUS, "pid": pid, "durations": durations}
    workers = [{**WORKER, "requests": 20}, {**WORKER, "pid": 10}]
    return Sample(102.0, status, workers, [RUNNING])


def test_rates() -> None:
    done = rates(BEFORE, later())
    assert (done.per_second, done.median, done.slow) == (9.5, 0.1, 1.0)
    assert done.mean == pytest.approx(4 / 19)
    assert done.by_worker == {9: 5.0}
    for before in (None, later(pid=8)):
        assert rates(before, BEFORE).per_second == 0.0


@pytest.mark.parametrize(
    ("counts", "share", "expected"),
    [([0, 0, 0], 0.5, None), ([1, 1, 0], 0.5, 0.1), ([1, 2, 0], 0.5, 1.0), ([0, 0, 1], 0.5, 1.0)],
)
def test_quantile(counts: list[int], share: float, expected: float | None) -> None:
    assert quantile([0.1, 1.0], counts, share) == expected


def test_a_look_as_a_line() -> None:
    text = line(later(), rates(BEFORE, later()))
    assert text.endswith("9.5 requests/s, 1 in flight, p50 100.0ms, p99 1.0s, memory 20.0M")
    assert json.loads(line(later(), rates(BEFORE, later()), as_json=True))["rates"]["slow"] == 1.0


def test_a_look_as_a_screen() -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    console.print(view(later(), rates(BEFORE, later())))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "9.5 requests/s" in shown and "GET /[bold]?" in shown
    lines = [each.split() for each in shown.splitlines()]
    assert ["9", "4", "busy", "61.0s", "5.0", "20", "1", "5", "10.0M"] in lines
    assert all(len(each) <= 80 for each in shown.splitlines())
