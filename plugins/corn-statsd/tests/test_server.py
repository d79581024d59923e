"""Real servers, and real sockets in the place of the statsd server."""

from __future__ import annotations

import json
import re
import socket
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from signal import SIGHUP, SIGTTIN

import pytest

from corn_testkit.descriptors import open_files
from corn_testkit.fixtures import Serve
from corn_testkit.gate import Gate
from corn_testkit.launcher import SWITCH
from corn_testkit.server import Server, run
from corn_testkit.waiting import wait_for
from tests.contract.layering import HEAVY

STRICT = {"PYTHONWARNINGS": "default::ResourceWarning"}
"""Shows in the log what a process has left open, which fails the test."""


class Collector:
    """A socket that statsd's clients send to, and what has arrived so far."""

    def __init__(self, family: int, address: object) -> None:
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind(address)  # type: ignore[arg-type]
        self.socket.setblocking(False)
        self.packets: list[str] = []

    @property
    def host(self) -> str:
        name = self.socket.getsockname()
        return f"unix://{name}" if isinstance(name, str) else f"{name[0]}:{name[1]}"

    def lines(self) -> list[str]:
        while True:
            try:
                self.packets.append(self.socket.recv(65536).decode())
            except BlockingIOError:
                return [line for packet in self.packets for line in packet.split("\n")]

    def counters(self) -> Counter[str]:
        """Sum up the counters."""
        found = re.findall(r"^(.+):(\d+)\|c$", "\n".join(self.lines()), re.MULTILINE)
        totals: Counter[str] = Counter()
        for name, value in found:
            totals[name] += int(value)
        return totals

    def values(self, name: str, kind: str) -> list[float]:
        """Return the values of a gauge or a timer, in their order."""
        pattern = rf"^{re.escape(name)}:([\d.]+)\|{kind}$"
        return [float(value) for value in re.findall(pattern, "\n".join(self.lines()), re.M)]

    def wait_for(self, name: str, kind: str, value: float) -> None:
        wait_for(lambda: self.values(name, kind)[-1:] == [value], f"{name} to be {value}")


@pytest.fixture(params=["udp", "unix"])
def collector(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Collector]:
    if request.param == "udp":
        made = Collector(socket.AF_INET, ("127.0.0.1", 0))
    else:
        made = Collector(socket.AF_UNIX, str(tmp_path / "statsd.sock"))
    yield made
    made.socket.close()


udp = pytest.mark.parametrize("collector", ["udp"], indirect=True)


def test_figures_are_those_of_the_requests_sent(serve: Serve, collector: Collector) -> None:
    options = (f"--statsd-host={collector.host}", "--statsd-prefix=shop")
    server = serve("probe:app", "--workers=2", *options, env=STRICT)
    server.tracebacks_expected = True  # of /fail, and of nothing else: see below
    for path, count in (("/", 9), ("/nowhere", 4), ("/fail", 2)):
        for _ in range(count):
            server.request(path=path)
            # A unix socket holds ten datagrams, and no more.
            collector.lines()
    assert b" 400 " in server.raw(b"NONSENSE\r\n\r\n")
    collector.wait_for("shop.corn.workers", "g", 2)
    server.signal(SIGTTIN)
    collector.wait_for("shop.corn.workers", "g", 3)
    server.stop()
    assert collector.counters() == {
        "shop.corn.requests": 16,
        "shop.corn.request.status.200": 9,
        "shop.corn.request.status.404": 4,
        "shop.corn.request.status.500": 2,
        "shop.corn.request.status.400": 1,
        "shop.corn.log.exception": 2,
        "shop.corn.log.warning": 1,
    }
    durations = collector.values("shop.corn.request.duration", "ms")
    assert len(durations) == 15
    assert all(0 < duration < 15_000 for duration in durations)
    assert collector.values("shop.corn.workers", "g")[-1] == 0
    # One datagram for each request, whatever it consists of.
    assert sum("corn.requests:" in packet for packet in collector.packets) == 16
    assert server.log.count("Traceback") == 2
    assert "ResourceWarning" not in server.log


def sockets_to(port: int, pid: int) -> set[str]:
    """Return the inodes of the UDP sockets of a process that are connected to a port."""
    table = [line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:]]
    connected = {fields[9] for fields in table if fields[2].endswith(f":{port:04X}")}
    held = open_files(pid).values()
    return {inode for inode in connected if f"socket:[{inode}]" in held}


@udp
@pytest.mark.skipif(not Path("/proc/net/udp").exists(), reason="needs proc(5)")
def test_each_process_has_one_socket_of_its_own(serve: Serve, collector: Collector) -> None:
    server = serve("probe:app", "--workers=2", f"--statsd-host={collector.host}")
    port = collector.socket.getsockname()[1]
    processes = [server.pid, *server.wait_for_workers(2)]
    sockets = [sockets_to(port, pid) for pid in processes]
    assert [len(one) for one in sockets] == [1, 1, 1]
    assert len(set.union(*sockets)) == 3


@udp
def test_gauges_show_who_works_and_who_waits(
    serve: Serve,
    collector: Collector,
    gate: Gate,
) -> None:
    server = serve("probe:app", f"--statsd-host={collector.host}")
    backlog = f"corn.backlog.127_0_0_1_{server.address.port}"
    for name in ("corn.workers.busy", "corn.requests.in_flight", backlog):
        collector.wait_for(name, "g", 0)
    asking = [server.address.connect() for _ in range(3)]
    asking[0].sendall(gate.request)
    gate.entered()
    for client in asking[1:]:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
    collector.wait_for("corn.workers.busy", "g", 1)
    collector.wait_for("corn.requests.in_flight", "g", 1)
    collector.wait_for(backlog, "g", 2)
    gate.open()
    for client in asking:
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        client.close()
    for name in ("corn.workers.busy", "corn.requests.in_flight", backlog):
        collector.wait_for(name, "g", 0)


def _are_replaced(server: Server, workers: list[int]) -> bool:
    return set(workers).isdisjoint(server.workers())


@udp
def test_reload_turns_it_on_and_off(serve: Serve, collector: Collector, tmp_path: Path) -> None:
    config = tmp_path / "corn.conf.py"
    config.write_text("")
    server = serve("probe:app", f"--config={config}", env=STRICT)
    server.get()
    for number, text in enumerate(
        (f"statsd_host = {collector.host!r}\ndogstatsd_tags = 'a:b'", ""), start=1
    ):
        before = server.wait_for_workers(1)
        config.write_text(text)
        server.signal(SIGHUP)
        wait_for(partial(_are_replaced, server, before), "other workers")
        server.wait_for_log("Booting worker with pid", count=number + 1)
        server.wait_for_workers(1)
        for _ in range(number):
            server.get()
    server.stop()
    requests = [line for line in collector.lines() if line.startswith("corn.requests:")]
    assert requests == ["corn.requests:1|c|#a:b"]


def test_server_without_a_statsd_server_serves_and_says_so_once(serve: Serve) -> None:
    collector = Collector(socket.AF_INET, ("127.0.0.1", 0))
    address, host = collector.socket.getsockname(), collector.host
    collector.socket.close()
    server = serve("probe:app", "--workers=2", f"--statsd-host={host}", env=STRICT)
    for _ in range(3):
        server.get()
    server.wait_for_log(rf"\[WARNING\] Metrics for statsd at {host} are lost: Connection refused")
    for _ in range(10):
        server.get()
    collector = Collector(socket.AF_INET, address)
    try:
        server.get()
        # The client of the request before may have been ahead of its metrics.
        wait_for(lambda: collector.counters()["corn.requests"], "the first request")
        server.stop()
        assert server.log.count("are lost") == 1
    finally:
        collector.socket.close()


def test_server_with_a_name_that_leads_nowhere_serves(serve: Serve) -> None:
    server = serve("probe:app", "--statsd-host=statsd.invalid:8125", env=STRICT)
    server.get()
    server.wait_for_log("Metrics for statsd at statsd.invalid:8125 are lost: ")
    server.stop()
    assert server.log.count("are lost") == 1


HOOKS = """
import logging

def post_request(worker, req):
    worker.log.info("", extra={"metric": "shop.seen", "value": 1, "mtype": "counter"})
    extra = {"metric": "shop.sold", "value": 2, "mtype": "counter"}
    logging.getLogger("gunicorn.error").info("sold", extra=extra)
"""


@udp
@pytest.mark.parametrize("name", ["statsd", "gunicorn.instrument.statsd.Statsd"])
def test_logger_class_sends_metrics_of_log_calls_and_no_other_twice(
    serve: Serve, collector: Collector, tmp_path: Path, name: str
) -> None:
    config = tmp_path / "corn.conf.py"
    config.write_text(HOOKS)
    options = (f"--config={config}", f"--logger-class={name}", f"--statsd-host={collector.host}")
    server = serve("probe:app", *options, env=STRICT)
    for _ in range(3):
        server.get()
    server.stop()
    assert collector.counters() == {
        "corn.requests": 3,
        "corn.request.status.200": 3,
        "shop.seen": 3,
        "shop.sold": 6,
    }
    assert len(re.findall(r"\[INFO\] sold$", server.log, re.M)) == 3
    assert not re.search(r"\[INFO\] $", server.log, re.M)


MODULES = """
import json, sys

def app(environ, start_response):
    start_response("200 OK", [])
    return [json.dumps(sorted(sys.modules)).encode()]
"""


def test_nothing_is_imported_when_it_is_not_used(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "modules.py").write_text(MODULES)

    def loaded(*options: str) -> set[str]:
        # Not forked: a fork server has imported the plugins that are installed.
        server = serve("modules:app", *options, cwd=tmp_path, env={SWITCH: "no"})
        return set(json.loads(server.get()))

    with_it, without = loaded(), loaded("--disable-plugin=statsd")
    assert with_it - without == {"corn_statsd", "corn_statsd.plugin", "corn_statsd.settings"}
    assert not HEAVY & (with_it - without)
    assert "statsd" in loaded("--statsd-host=127.0.0.1:9")


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("--statsd-host=localhost", "HOST:PORT with a port from 1 to 65535"),
        ("--statsd-host=localhost:65536", "HOST:PORT with a port from 1 to 65535"),
        ("--statsd-host=unix://", "the path of a socket after unix://"),
        ("--dogstatsd-tags=a|b", "tags such as env:prod,region:eu"),
    ],
)
def test_bad_setting_is_one_line(option: str, expected: str, tmp_path: Path) -> None:
    pidfile = tmp_path / "corn.pid"
    outcome = run("probe:app", "--bind=127.0.0.1:0", f"--pid={pidfile}", option)
    flag, _, value = option.partition("=")
    name = flag.removeprefix("--").replace("-", "_")
    assert outcome.returncode == 1
    assert outcome.stderr.startswith(f"error: {name}: expected {expected}")
    assert outcome.stderr.endswith(f", got {value!r} (flag {flag})\n")
    assert outcome.stderr.count("\n") == 1
    assert not pidfile.exists()


def test_flags_are_there_when_it_is() -> None:
    assert "--statsd-host ADDRESS" in run("-h").stdout
    assert "statsd" not in run("-h", "--disable-plugin=statsd").stdout
