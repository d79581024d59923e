"""Taking commands: one client of the socket, whatever it does, and the service as a whole.

The loop of the master is turned by hand, so that each test says what has happened by when.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import socket
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from time import monotonic
from types import SimpleNamespace
from typing import Any, cast

import pytest

from corn_control.client import Connection, Unreachable
from corn_control.conversation import IDLE, PATIENCE, Check, Conversation
from corn_control.endpoint import SUCCESSOR
from corn_control.protocol import MAX_LINE, Refusal, Request, ask
from corn_control.service import CLIENTS, Service
from corn_core.extensions.manager import Plugins
from corn_core.interfaces import HasFileno, Server, WorkerSnapshot
from corn_core.plugin import BindError, Command, CommandError, hookimpl

LOG = logging.getLogger("tests.control")


class Loop:
    """The master as the service needs it, without workers and over a selector of its own."""

    def __init__(self, control: str | None = None) -> None:
        self.pid = os.getpid()
        self.cfg = SimpleNamespace(control=control, dashboard=None)
        self.log = LOG
        self.plugins = Plugins()
        self.hooks = self.plugins.hooks
        self.predecessor = self.successor = self.stopping = 0
        self.generation = self.num_workers = 1
        self.WORKERS: dict[int, Any] = {}
        self.workers: Sequence[WorkerSnapshot] = ()
        self.selector = DefaultSelector()
        self.server = cast("Server", self)

    def snapshot(self) -> tuple[WorkerSnapshot, ...]:
        return tuple(self.workers)

    def resize(self, workers: int) -> None:
        self.num_workers = workers

    def watch(
        self, file: int | HasFileno, callback: Callable[[], object], writable: bool = False
    ) -> None:
        self.selector.register(file, EVENT_WRITE if writable else EVENT_READ, callback)

    def unwatch(self, file: int | HasFileno) -> None:
        self.selector.unregister(file)

    def turn(self) -> int:
        """Do what can be done without waiting; returns how much that was."""
        events = self.selector.select(0)
        for key, _ in events:
            key.data()
        return len(events)

    def settle(self) -> None:
        """Go on until there is nothing to do."""
        for _ in range(1000):
            if not self.turn():
                return
        raise AssertionError("the loop does not come to rest")

    def close(self) -> None:
        self.selector.close()


class Site:
    """A client and the conversation with it, of which ``done`` is what a waiting command waits for.

    :ivar ran: the commands that were carried out.
    """

    def __init__(self) -> None:
        self.loop = Loop()
        self.client, ours = socket.socketpair()
        self.client.setblocking(False)
        self.ran: list[str] = []
        self.open = True
        self.done: Any = None
        self.conversation = Conversation(ours, self.loop.server, self.run, self.forget)
        self.conversation.start()

    def run(self, conversation: Conversation, request: Request) -> Any:
        self.ran.append(request.command)
        if request.command == "refuse":
            raise Refusal("refused", "no")
        if request.command == "big":
            return "x" * 10_000_000
        if request.command == "odd":
            return object()
        return self.waiting() if request.command == "wait" else request.command

    def waiting(self) -> Check:
        def check() -> Any:
            if isinstance(self.done, Refusal):
                raise self.done
            return self.done

        return check

    def forget(self, conversation: Conversation) -> None:
        self.open = False

    def send(self, *commands: str, timeout: float = 60.0) -> None:
        self.client.sendall(b"".join(ask(Request(each, {}, timeout, each)) for each in commands))

    def answers(self) -> list[dict[str, Any]]:
        """Return what has been answered since the last call."""
        self.loop.settle()
        try:
            found = self.client.recv(1 << 20)
        except BlockingIOError:
            return []
        return [json.loads(line) for line in found.splitlines()]

    def codes(self) -> list[str]:
        return [
            each["error"]["code"] if not each["ok"] else each["result"] for each in self.answers()
        ]

    def later(self, seconds: float) -> None:
        """Let the conversation believe that time has passed."""
        self.conversation.tend(monotonic() + seconds)
        self.loop.settle()

    def ended(self) -> bool:
        return not self.open and self.client.recv(1 << 20) == b""


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.client.close()
    if made.open:
        made.conversation.close()
    made.loop.close()


def test_several_requests_over_one_connection(site: Site) -> None:
    site.send("one", "refuse", "two")
    assert [(each["id"], each["ok"]) for each in site.answers()] == [
        *(("one", True), ("refuse", False), ("two", True)),
    ]
    site.send("three")
    assert site.codes() == ["three"]
    site.client.close()
    site.loop.settle()
    assert not site.open


def test_nothing_is_answered_in_the_turn_in_which_it_is_asked(site: Site) -> None:
    site.done = "done"
    site.send("wait")
    assert site.loop.turn() and site.ran == ["wait"]
    site.conversation.check(monotonic())  # a hook that was called in the same turn
    with pytest.raises(BlockingIOError):
        site.client.recv(1)
    assert site.codes() == ["done"]


def test_a_command_that_takes_its_time(site: Site) -> None:
    site.send("wait", "next")
    assert site.codes() == [] and site.ran == ["wait"]
    site.done = "done"
    site.later(1)
    assert site.codes() == ["done", "next"]


def test_a_command_that_fails_later(site: Site) -> None:
    site.send("wait")
    site.loop.settle()
    site.done = Refusal("refused", "it has failed")
    site.later(1)
    (answer,) = site.answers()
    assert (answer["id"], answer["error"]["message"]) == ("wait", "it has failed")


def test_a_command_that_is_not_done_in_time(site: Site) -> None:
    site.send("wait", timeout=5)
    site.loop.settle()
    site.later(4.9)
    assert site.codes() == []
    site.later(5.1)
    assert site.codes() == ["timeout"]
    site.send("next")
    assert site.codes() == ["next"]


def test_bad_lines_are_answered_and_the_next_one_counts(site: Site) -> None:
    site.client.sendall(b"reload\n\n\xff\n")
    assert site.codes() == ["bad-json"] * 3
    site.send("odd", "next")
    assert site.codes() == ["internal", "next"]


def test_a_line_that_is_too_long(site: Site) -> None:
    site.client.sendall(b"x" * (MAX_LINE - 1))
    assert site.codes() == []
    site.client.sendall(b"x")
    assert site.codes() == ["too-long"]
    assert site.ended()


def test_a_line_that_is_never_finished(site: Site) -> None:
    site.client.sendall(b"{")
    site.loop.settle()
    site.later(PATIENCE - 0.1)
    site.client.sendall(b" ")  # which gains it no time
    site.loop.settle()
    site.later(PATIENCE)
    assert site.codes() == ["too-slow"]
    assert site.ended()


def test_a_client_that_asks_nothing(site: Site) -> None:
    site.later(IDLE - 0.1)
    assert site.open
    site.later(IDLE)
    assert site.ended()


def test_a_client_that_never_reads(site: Site) -> None:
    site.send("big")
    site.loop.settle()
    assert site.open and not site.conversation.idle
    site.later(PATIENCE)
    assert not site.open


def test_a_client_that_sends_without_end_while_a_command_runs(site: Site) -> None:
    site.send("wait")
    site.loop.settle()
    for _ in range(3):
        if site.open:
            site.client.sendall(b"x" * 8192)
            site.loop.settle()
    assert not site.open


@pytest.mark.parametrize("rest", [b"", b"{"])
def test_a_client_that_closes_its_side_gets_its_answer(site: Site, rest: bytes) -> None:
    site.send("wait", "next")
    site.client.sendall(rest)
    site.client.shutdown(socket.SHUT_WR)
    assert site.codes() == []
    site.done = "done"
    site.later(1)
    assert site.codes() == ["done", "next"]
    assert site.ended()


def test_a_client_that_goes_before_its_answer(site: Site) -> None:
    site.send("wait")
    site.client.close()
    site.loop.settle()
    site.done = "done"
    site.later(1)
    assert not site.open


@pytest.mark.parametrize(("done", "code"), [("done", "done"), (None, "stopping")])
def test_the_end_of_the_server(site: Site, done: str | None, code: str) -> None:
    site.send("wait")
    site.loop.settle()
    site.done = done
    site.conversation.end()
    assert site.codes() == [code]
    assert site.ended()


def test_who_it_is(site: Site) -> None:
    assert site.conversation.peer.startswith(f"pid:{site.loop.pid} uid:")


# -- the service ---------------------------------------------------------------------


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

    def __init__(self, directory: Path) -> None:
        self.path = directory / "control"
        self.loop = Loop(str(self.path))
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
def master(tmp_path: Path) -> Iterator[Master]:
    made = Master(tmp_path)
    made.service.open(made.loop.server)
    yield made
    for client in made.clients:
        client.close()
    made.service.end(made.loop.server)
    made.loop.close()


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


def test_a_path_that_cannot_be_used_at_the_start(tmp_path: Path) -> None:
    loop = Loop(str(tmp_path / "nowhere" / "control"))
    with pytest.raises(BindError, match="No such file"):
        Service().open(loop.server)
    loop.close()


def test_the_successor_reports_and_takes_the_path(master: Master, tmp_path: Path) -> None:
    """Both masters are in this process; each has a loop of its own."""
    successor = Service()
    loop = Loop(str(master.path))
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
    loop.predecessor = 0
    successor.tend(loop.server)
    assert successor._endpoint is not None and successor._endpoint.ours
    successor.end(loop.server)
    loop.close()
    assert os.listdir(tmp_path) == []
