"""Two masters behind a proxy are restarted, upgraded and reloaded in turn, and no request fails."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from signal import SIGHUP, SIGTERM, SIGUSR2
from threading import Event

import pytest

from corn_testkit.client import Address, listens
from corn_testkit.server import Server
from corn_testkit.waiting import DEADLINE, alive, children, wait_for
from tests.deploy.recipes import RECIPES, Host, needs

NGINX = """
daemon off;
master_process off;
pid {home}/nginx.pid;
error_log {home}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    upstream shop {{
        server 127.0.0.1:{one} max_fails=0;
        server 127.0.0.1:{two} max_fails=0;
    }}
    server {{
        listen 127.0.0.1:{front};
        location / {{ proxy_pass http://shop; }}
    }}
}}
"""


def free_ports(count: int) -> list[int]:
    """Return ports that are free now; a proxy's configuration has to name them."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Pair:
    """Two servers of the same application, on the ports that the proxy knows."""

    def __init__(self, host: Host, ports: list[int], *flags: str) -> None:
        self.host, self.ports, self.flags = host, ports, flags
        self.servers = [self.start(number) for number in range(2)]

    def start(self, number: int) -> Server:
        home = self.host.home / f"server{number}-{len(list(self.host.home.iterdir()))}"
        home.mkdir()
        arguments = ["--config=/dev/null", "-k", "gthread", "--threads=4", "shop:app", *self.flags]
        pidfile = f"--pid={self.host.run}/{number}.pid"
        bind = f"--bind=127.0.0.1:{self.ports[number]}"
        server = Server(home, [*arguments, pidfile, bind], self.host.site).started()
        server.wait_for_log("Booting worker")
        return server

    def restart(self, number: int) -> None:
        """Stop a server, and start another one on its port."""
        self.servers[number].stop(SIGTERM)
        self.servers[number] = self.start(number)
        wait_for(lambda: listens(self.servers[number].address), "the server to listen")

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


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@contextmanager
def behind_nginx(host: Host) -> Iterator[tuple[Address, Pair]]:
    front, *ports = free_ports(3)
    text = NGINX.format(home=host.home, one=ports[0], two=ports[1], front=front)
    (host.home / "nginx.conf").write_text(text)
    pair = Pair(host, ports)
    try:
        with host.running(["nginx", "-p", str(host.home), "-c", str(host.home / "nginx.conf")]):
            yield Address(f"http://127.0.0.1:{front}"), pair
    finally:
        pair.kill()


@contextmanager
def behind_haproxy(host: Host) -> Iterator[tuple[Address, Pair]]:
    front, *ports = free_ports(3)
    text = (RECIPES / "haproxy" / "haproxy.cfg").read_text()
    places = {
        "bind :80\n": f"bind 127.0.0.1:{front}\n",
        "127.0.0.1:8001 ": f"127.0.0.1:{ports[0]} ",
        "127.0.0.1:8002 ": f"127.0.0.1:{ports[1]} ",
    }
    for old, new in places.items():
        assert old in text
        text = text.replace(old, new)
    (host.home / "haproxy.cfg").write_text(text)
    pair = Pair(host, ports, "--proxy-protocol")
    try:
        with host.running(["haproxy", "-db", "-f", str(host.home / "haproxy.cfg")]):
            yield Address(f"http://127.0.0.1:{front}"), pair
    finally:
        pair.kill()


@contextmanager
def traffic(front: Address, clients: int = 3) -> Iterator[None]:
    """Let clients ask all the time; a request that fails, fails the test."""
    stop = Event()

    def ask() -> int:
        count = 0
        while not stop.is_set():
            assert front.request("GET", "/").status == 200
            count += 1
        return count

    with ThreadPoolExecutor(clients) as pool:
        asking: list[Future[int]] = [pool.submit(ask) for _ in range(clients)]
        try:
            yield
        finally:
            stop.set()
        assert all(each.result() for each in asking)


FRONTS = [
    pytest.param(behind_nginx, marks=needs("nginx")),
    pytest.param(behind_haproxy, marks=needs("haproxy")),
]


@pytest.mark.parametrize("front_of", FRONTS)
def test_no_request_fails_while_servers_are_replaced_in_turn(front_of: object, host: Host) -> None:
    assert callable(front_of)
    with front_of(host) as (front, pair):
        wait_for(lambda: listens(front), "the proxy to listen")
        with traffic(front):
            for number in range(2):
                pair.reload(number)
                pair.restart(number)
                pair.upgrade(number)
