"""The service as a whole, in a loop that is turned by hand: commands, socket, the other master."""

from __future__ import annotations

import json
import logging
import os
import resource
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from corn_control.client import Connection, Unreachable
from corn_control.conversation import PATIENCE
from corn_control.endpoint import SUCCESSOR
from corn_control.protocol import Request, ask
from corn_control.service import CLIENTS, Service
from corn_control.viewer import Viewer
from corn_core.plugin import BindError, Command, CommandError, hookimpl

if TYPE_CHECKING:
    from corn_control_tests.conftest import Loop


class Offering:
    """A plugin with commands of its own."""

    def __init__(self, *commands: object) -> None:
        self._commands = commands

    @hookimpl
    def corn_commands(self) -> Any:
        return self._commands


def broken(server: object, arguments: object) -> None:
    raise RuntimeError("this is logged")


def refused(server: object, arguments: object) -> None:
    raise CommandError("not on a Friday")


def greeted(server: object, arguments: Any) -> Any:
    return {"message": f"hello {arguments['name']}"}


class Master:
    """A master with a control socket in a directory, and clients of it."""

    def __init__(self, path: Path, loop: Loop) -> None:
        self.path = path
        self.loop = loop
        self.service = Service()
        self.clients: list[socket.socket] = []

    def connect(self, path: Path | None = None) -> socket.socket:
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.clients.append(client)
        client.connect(str(path or self.path))
        client.setblocking(False)
        self.loop.settle()
        return client

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Return the answer that there is after a second at most."""
        client = self.connect()
        client.sendall(ask(Request(command, arguments)))
        self.tick()
        answer: dict[str, Any] = json.loads(client.recv(1 << 20))
        return answer

    def refusal(self, command: str, **arguments: Any) -> tuple[str, str]:
        error = self.ask(command, **arguments)["error"]
        return error["code"], error["message"]

    def tick(self) -> None:
        self.loop.settle()
        self.service.tend(self.loop.server)
        self.loop.settle()


@pytest.fixture
def master(tmp_path: Path, make_loop: Callable[..., Loop]) -> Iterator[Master]:
    path = tmp_path / "control"
    made = Master(path, make_loop(str(path)))
    made.service.open(made.loop.server)
    yield made
    for client in made.clients:
        client.close()
    made.service.end(made.loop.server)


def test_commands_of_plugins(master: Master, caplog: pytest.LogCaptureFixture) -> None:
    commands = (
        *(Command("greet", "", greeted), Command("break", "", broken)),
        *(Command("refuse", "", refused), Command("status", "", broken)),
    )
    master.loop.plugins.register(Offering(*commands), "one")
    assert master.ask("greet", name="you")["result"] == {"message": "hello you"}
    assert master.refusal("refuse") == ("refused", "not on a Friday")
    assert master.refusal("break")[0] == "internal"
    assert "this is logged" in caplog.text
    assert master.refusal("gret") == (
        *("unknown-command", "there is no command 'gret'; did you mean 'greet'?"),
    )
    listed = [each["name"] for each in master.ask("commands")["result"]["commands"]]
    assert {"greet", "reload"} < set(listed) and "successor-serves" not in listed


def test_commands_of_a_plugin_that_are_none(master: Master) -> None:
    master.loop.plugins.register(Offering("greet"), "one")
    code, text = master.refusal("greet")
    assert code == "refused" and "'greet', not a Command" in text
    assert master.ask("log-level", level="loud")["error"]["code"] == "refused"


def test_no_line_of_the_log_can_be_forged(master: Master, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    master.ask("a\n[INFO] b", **{"c\n": "d\n" * 500})
    (line,) = [each.getMessage() for each in caplog.records if "a" in each.getMessage()[9:10]]
    assert line.isprintable() and len(line) < 1000


def test_many_clients(master: Master) -> None:
    clients = [master.connect() for _ in range(CLIENTS)]
    assert json.loads(master.connect().recv(4096))["error"]["code"] == "busy"
    with (
        pytest.raises(Unreachable, match="closed the connection"),
        Connection(str(master.path)) as c,
    ):
        master.loop.settle()
        c.ask(Request("status", {}))
        c.ask(Request("status", {}))
    clients[0].close()
    master.loop.settle()
    assert master.refusal("nothing")[0] == "unknown-command"


def test_no_descriptor_left(master: Master) -> None:
    """A master that cannot accept must neither end nor turn without rest."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    master.clients.append(client)
    client.connect(str(master.path))
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
    try:
        master.loop.settle()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    client.sendall(ask(Request("config", {"x": 1})))
    master.tick()
    client.setblocking(False)
    assert json.loads(client.recv(4096))["error"]["code"] == "refused"


def test_a_reload_moves_adds_and_removes_the_socket(master: Master, tmp_path: Path) -> None:
    client = master.connect()
    other = tmp_path / "other"
    master.loop.cfg.control = str(other)
    master.tick()
    assert os.listdir(tmp_path) == ["other"]
    client.sendall(ask(Request("nothing", {})))
    master.tick()
    assert b"unknown-command" in client.recv(4096)
    master.loop.cfg.control = None
    master.tick()
    assert os.listdir(tmp_path) == [] and client.recv(1) == b""
    master.loop.cfg.control = str(other)
    master.tick()
    assert os.listdir(tmp_path) == ["other"]


def test_a_path_that_cannot_be_used_is_tried_again(
    master: Master, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file")
    master.loop.cfg.control = str(taken)
    master.tick()
    master.tick()
    assert caplog.text.count("exists and is not a socket; still trying") == 1
    taken.unlink()
    master.tick()
    assert stat.S_ISSOCK(taken.lstat().st_mode)


def test_a_path_that_cannot_be_used_at_the_start(
    tmp_path: Path, make_loop: Callable[..., Loop]
) -> None:
    loop = make_loop(str(tmp_path / "nowhere" / "control"))
    with pytest.raises(BindError, match="No such file"):
        Service().open(loop.server)


@pytest.mark.parametrize("noticed", ["in its loop", "at its end", "not at all"])
def test_the_successor_reports_and_takes_the_path(
    master: Master, tmp_path: Path, make_loop: Callable[..., Loop], noticed: str
) -> None:
    """Both masters are in this process; each has a loop of its own."""
    successor = Service()
    loop = make_loop(str(master.path))
    loop.pid, loop.predecessor = 4711, master.loop.pid
    master.loop.successor = 4711
    successor.open(loop.server)
    assert sorted(os.listdir(tmp_path)) == ["control", "control" + SUCCESSOR]
    successor.on_serving(loop.server)
    master.tick()
    assert master.service._events.successor == 4711
    assert master.refusal("successor-serves", pid=1)[0] == "refused"
    master.service.end(master.loop.server)
    assert os.listdir(tmp_path) == ["control"]
    if noticed != "not at all":
        loop.predecessor = 0
    if noticed == "in its loop":
        successor.tend(loop.server)
        assert successor._endpoint is not None and successor._endpoint.ours
    successor.end(loop.server)
    assert os.listdir(tmp_path) == []


def test_at_the_end_the_path_is_given_away_before_the_answer(
    master: Master, tmp_path: Path
) -> None:
    found: list[list[str]] = []

    def look() -> object:
        found.append(os.listdir(tmp_path))
        return "answered"

    command = Command("last", "", lambda server, arguments: look)
    master.loop.plugins.register(Offering(command), "one")
    client = master.connect()
    client.sendall(ask(Request("last", {})))
    master.loop.turn()
    master.service.end(master.loop.server)
    assert found == [[]] and b"answered" in client.recv(4096)


# -- the dashboard -------------------------------------------------------------------


def test_the_dashboard_follows_the_configuration_and_the_other_master(
    master: Master, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    def addresses() -> list[str]:
        found = [each.getMessage() for each in caplog.records]
        return [each.split()[-1] for each in found if each.startswith("Dashboard at")]

    master.loop.predecessor = 1
    master.loop.cfg.dashboard = "127.0.0.1:0"
    master.tick()
    assert addresses() == [], "the old master has the address"
    master.loop.predecessor = 0
    master.tick()
    master.tick()
    (url,) = addresses()
    port = int(url.rpartition(":")[2])
    master.loop.cfg.dashboard = None
    master.tick()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_a_browser_that_does_not_read_misses_events_and_is_let_go(master: Master) -> None:
    browser, ours = socket.socketpair()
    gone: list[Viewer] = []
    viewer = Viewer(ours, master.loop.server, b"", gone.append)
    viewer.tell(b"data: early\n\n")
    browser.sendall(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
    master.loop.settle()
    assert viewer.listening
    for number in range(3):
        viewer.tell(b"data: %d " % number + b"x" * 5_000_000)
        master.loop.settle()
    viewer.tend(monotonic())
    assert not gone
    viewer.tend(monotonic() + PATIENCE)
    assert gone == [viewer]
    browser.settimeout(60)
    with browser, browser.makefile("rb") as sent:
        text = sent.read()
    assert b"data: 0 " in text and b"early" not in text and b"data: 1 " not in text
