"""One client of the socket, whatever it does, and what has become of it after each turn."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from corn_control.conversation import IDLE, PATIENCE, Check, Conversation
from corn_control.protocol import MAX_LINE, Refusal, Request, ask

if TYPE_CHECKING:
    from corn_control_tests.conftest import Loop


class Site:
    """A client and the conversation with it, of which ``done`` is what a waiting command waits for.

    :ivar ran: the commands that were carried out.
    """

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
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
def site(make_loop: Callable[..., Loop]) -> Iterator[Site]:
    made = Site(make_loop())
    yield made
    made.client.close()
    if made.open:
        made.conversation.close()


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
