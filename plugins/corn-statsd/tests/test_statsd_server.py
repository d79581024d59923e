"""A real statsd server, which says what it has understood.

It comes from npm when the tests run; without npm, or without a registry, they are skipped.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from corn_testkit.fixtures import Serve
from corn_testkit.waiting import wait_for

pytestmark = pytest.mark.slow

PACKAGE = "statsd@0.9"

INSTALL = (
    *("install", "--no-save", "--no-package-lock", "--ignore-scripts", "--omit=optional"),
    *("--no-audit", "--no-fund", "--fetch-retries=0", PACKAGE),
)

# Counters are added up until a flush, which is not to happen while a test looks at them.
CONFIG = """{
  port: %d, address: "127.0.0.1", mgmt_port: %d, mgmt_address: "127.0.0.1",
  flushInterval: 3600000, backends: ["./backends/console"], title: false
}"""


def free_port(kind: int) -> int:
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Statsd:
    """A running statsd, asked through its management interface."""

    def __init__(self, package: Path, home: Path) -> None:
        self.port = free_port(socket.SOCK_DGRAM)
        self._management = free_port(socket.SOCK_STREAM)
        config = home / "config.js"
        config.write_text(CONFIG % (self.port, self._management))
        with open(home / "log", "wb") as log:
            self.process = subprocess.Popen(
                ["node", "stats.js", str(config)],
                cwd=package,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def started(self) -> Statsd:
        wait_for(self._answers, "statsd to listen")
        return self

    def _answers(self) -> bool:
        assert self.process.poll() is None, "statsd has ended"
        try:
            self.ask("counters")
        except ConnectionRefusedError:
            return False
        return True

    def ask(self, question: str) -> str:
        answer = ""
        with socket.create_connection(("127.0.0.1", self._management), timeout=10) as client:
            client.sendall(f"{question}\n".encode())
            while not answer.endswith("END\n\n"):
                data = client.recv(65536)
                assert data, answer
                answer += data.decode()
        return answer

    def numbers(self, kind: str) -> dict[str, float]:
        """Its counters or its gauges by name."""
        return {
            name: float(value)
            for name, value in re.findall(r"'?([\w.-]+)'?: (-?[\d.]+)", self.ask(kind))
        }

    def timers(self) -> dict[str, list[float]]:
        found = re.findall(r"'([\w.-]+)': \[([^\]]*)\]", self.ask("timers"))
        return {name: [float(one) for one in values.split(",")] for name, values in found}

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the statsd package."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    home = tmp_path_factory.mktemp("npm")
    try:
        done = subprocess.run(
            ["npm", *INSTALL, "--prefix", str(home)], capture_output=True, text=True, timeout=90
        )
    except subprocess.TimeoutExpired:
        pytest.skip("npm could not install statsd in time")
    if done.returncode:
        pytest.skip(f"npm could not install statsd: {done.stderr[-300:]}")
    return home / "node_modules" / "statsd"


@pytest.fixture
def statsd(package: Path, tmp_path: Path) -> Iterator[Statsd]:
    made = Statsd(package, tmp_path)
    try:
        yield made.started()
    finally:
        made.close()


def test_statsd_counts_what_was_requested(serve: Serve, statsd: Statsd) -> None:
    host = f"--statsd-host=localhost:{statsd.port}"
    server = serve("probe:app", "--workers=2", host, "--statsd-prefix=my shop")
    for path, count in (("/", 40), ("/nowhere", 10)):
        for _ in range(count):
            server.request(path=path)
    wanted = {
        "my_shop.corn.requests": 50,
        "my_shop.corn.request.status.200": 40,
        "my_shop.corn.request.status.404": 10,
    }
    wait_for(lambda: statsd.numbers("counters").items() >= wanted.items(), "all requests")
    wait_for(lambda: statsd.numbers("gauges").get("my_shop.corn.workers") == 2, "the workers")
    durations = statsd.timers()["my_shop.corn.request.duration"]
    assert len(durations) == 50
    assert all(0 < duration < 15_000 for duration in durations)
    server.stop()
    wait_for(lambda: statsd.numbers("gauges")["my_shop.corn.workers"] == 0, "no workers")
    counters = statsd.numbers("counters")
    assert counters.pop("statsd.bad_lines_seen") == 0
    # Nothing else, but what the server counts of itself.
    assert {name: n for name, n in counters.items() if name.startswith("my_shop")} == wanted
