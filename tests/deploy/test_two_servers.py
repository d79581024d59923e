"""Two masters behind a proxy are restarted, upgraded and reloaded in turn, and no request fails."""

from __future__ import annotations

import csv
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from signal import SIGHUP, SIGTERM, SIGUSR2
from threading import Event

import pytest

from corn_testkit.client import Address, listens
from corn_testkit.server import Server
from corn_testkit.traffic import traffic
from corn_testkit.waiting import DEADLINE, alive, children, wait_for
from tests import nginx
from tests.contract import pages
from tests.deploy.recipes import RECIPES, Host, needs

PAGE = pages.DOCS / "two-servers.md"

UPSTREAM = """
    upstream shop {{
        server unix:{one} max_fails=0;
        server unix:{two} max_fails=0;
    }}
    server {{
        listen unix:{front};
        location / {{ proxy_pass http://shop; }}
    }}
"""


class Pair:
    """Two servers of the same application, at the addresses that the proxy knows."""

    def __init__(self, host: Host, *flags: str) -> None:
        self.host, self.flags = host, flags
        self.servers = [self.start(number) for number in range(2)]

    def start(self, number: int) -> Server:
        home = self.host.home / f"server{number}-{len(list(self.host.home.iterdir()))}"
        home.mkdir()
        arguments = ["--config=/dev/null", "-k", "gthread", "--threads=4", "shop:app", *self.flags]
        pidfile = f"--pid={self.host.run}/{number}.pid"
        bind = f"--bind=unix:{self.host.run}/{number}.sock"
        server = Server(home, [*arguments, pidfile, bind], self.host.site).started()
        server.wait_for_log("Booting worker")
        return server

    def restart(self, number: int) -> None:
        """Stop a server, and start another one at its address."""
        self.servers[number].stop(SIGTERM)
        self.servers[number] = self.start(number)
        wait_for(lambda: listens(self.servers[number].address), "the server to listen")

    def settled(self, number: int) -> bool:
        """Tell whether the proxy knows that a server serves, as far as it cares to know."""
        return True

    def reload(self, number: int) -> None:
        server = self.servers[number]
        (before,) = server.workers()
        server.signal(SIGHUP)
        wait_for(lambda: not alive(before), "the old worker to end")

    def upgrade(self, number: int) -> None:
        """Replace a master with a new one of itself, which is in the same process group."""
        server, pidfile = self.servers[number], self.host.run / f"{number}.pid"
        server.signal(SIGUSR2)
        new = pidfile.with_name(f"{pidfile.name}.2")
        wait_for(lambda: new.exists() and new.read_text().strip(), "a new master")
        successor = int(new.read_text())
        wait_for(lambda: children(successor), "its worker")
        server.signal(SIGTERM)
        assert server.process.wait(DEADLINE) == 0

    def kill(self) -> None:
        for server in self.servers:
            server.kill()
            server.check_log()


class AnnouncedPair(Pair):
    """Two servers that HAProxy asks whether they are ready."""

    def start(self, number: int) -> Server:
        self.flags = (
            *("--proxy-protocol", "--shutdown-delay=600"),
            f"--metrics-bind=unix:{self.host.run}/{number}.ready",
        )
        return super().start(number)

    def restart(self, number: int) -> None:
        """Stop a server once no new client is sent there, which is while it still serves."""
        server = self.servers[number]
        server.signal(SIGTERM)
        wait_for(
            lambda: self.status(number) == ("DOWN", "L7STS"),
            "HAProxy to be told that it is not ready",
        )
        assert server.get("/")
        # The second TERM ends the delay; a fixed time would be too short on some machine.
        super().restart(number)

    def settled(self, number: int) -> bool:
        return self.status(number) == ("UP", "L7OK")

    def status(self, number: int) -> tuple[str, str]:
        """Return what HAProxy thinks of a server, and the outcome of its last check."""
        with socket.socket(socket.AF_UNIX) as admin:
            admin.connect(f"{self.host.run}/haproxy.sock")
            admin.sendall(b"show stat\n")
            with admin.makefile() as table:
                rows = list(csv.DictReader(table))
        (row,) = (each for each in rows if each["svname"] == ("one", "two")[number])
        return row["status"], row["check_status"]


@contextmanager
def behind_nginx(host: Host) -> Iterator[tuple[Address, Pair]]:
    run = host.run
    http = UPSTREAM.format(one=run / "0.sock", two=run / "1.sock", front=run / "front.sock")
    pair = Pair(host)
    try:
        with host.running(nginx.command(host.home, http)):
            yield Address(f"unix:{run}/front.sock"), pair
    finally:
        pair.kill()


@contextmanager
def behind_haproxy(host: Host) -> Iterator[tuple[Address, Pair]]:
    text = (RECIPES / "haproxy" / "haproxy.cfg").read_text()
    places = {
        "maxconn 2000\n": f"maxconn 2000\n    stats socket {host.run}/haproxy.sock\n",
        "bind :80\n": f"bind unix@{host.run}/front.sock\n",
        "127.0.0.1:8001 port 9101": f"unix@{host.run}/0.sock addr unix@{host.run}/0.ready",
        "127.0.0.1:8002 port 9102": f"unix@{host.run}/1.sock addr unix@{host.run}/1.ready",
        # Without a second try, a client that is sent to a server that has gone would fail.
        "retries 3": "retries 0",
        "option redispatch": "no option redispatch",
    }
    for old, new in places.items():
        assert old in text
        text = text.replace(old, new)
    (host.home / "haproxy.cfg").write_text(text)
    pair = AnnouncedPair(host)
    try:
        with host.running(["haproxy", "-db", "-f", str(host.home / "haproxy.cfg")]):
            yield Address(f"unix:{host.run}/front.sock"), pair
    finally:
        pair.kill()


_pause = Event()


def answered(front: Address) -> None:
    assert front.request("GET", "/").status == 200
    # Some hundred requests per second meet each moment of a change, and leave time for the change.
    _pause.wait(0.005)


FRONTS = [
    pytest.param(behind_nginx, marks=needs("nginx")),
    pytest.param(behind_haproxy, marks=needs("haproxy")),
]


@pytest.mark.parametrize("front_of", FRONTS)
def test_no_request_fails_while_servers_are_replaced_in_turn(front_of: object, host: Host) -> None:
    assert callable(front_of)
    with front_of(host) as (front, pair):
        wait_for(lambda: listens(front), "the proxy to listen")
        with traffic(partial(answered, front), clients=3):
            for number in range(2):
                for replace in (pair.reload, pair.restart, pair.upgrade):
                    replace(number)
                    wait_for(partial(pair.settled, number), "the proxy to send clients there")


@needs("nginx")
def test_page_shows_what_is_tested(host: Host) -> None:
    blocks = {each.language: each.text for each in pages.blocks(PAGE.read_text())}
    recipe = (RECIPES / "haproxy" / "haproxy.cfg").read_text().splitlines()
    assert [line for line in blocks["text"].splitlines() if line not in recipe] == []
    assert "max_fails=0" in blocks["nginx"] and "max_fails=0" in UPSTREAM
    subprocess.run([*nginx.command(host.home, blocks["nginx"]), "-t", "-q"], check=True)
