"""The metrics of real servers, as a scraper reads them, and as Prometheus itself does."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from signal import SIGHUP, SIGKILL, SIGQUIT, SIGTERM, SIGTTIN, SIGUSR2, SIGWINCH
from urllib.parse import quote

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families

from corn_testkit.descriptors import open_files
from corn_testkit.fixtures import Serve
from corn_testkit.gate import Gate
from corn_testkit.server import Server, run
from corn_testkit.waiting import alive, wait_for

Samples = dict[str, float]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def port() -> int:
    """A port for metrics; with 0 the test would have to read the log after every reload."""
    return free_port()


def ask(port: int, path: str = "/metrics", method: str = "GET", **fields: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers=fields)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def samples(port: int) -> Samples:
    """Return every sample by its name and labels, as written in the text."""
    status, text = ask(port)
    assert status == 200
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def count_is(port: int, number: int) -> bool:
    return samples(port).get('corn_requests_total{status="200"}') == number


def started(serve: Serve, port: int, *arguments: str) -> Server:
    server = serve(f"--metrics-bind=127.0.0.1:{port}", *arguments, "probe:app")
    wait_for(lambda: ready(port), "a worker to be ready")
    return server


def ready(port: int) -> bool:
    try:
        return ask(port, "/readyz")[0] == 200
    except OSError:
        return False


def test_requests_are_counted_by_status_and_duration(serve: Serve, port: int) -> None:
    server = started(serve, port, "-w2")
    for _ in range(7):
        server.get("/pid")
    server.request(path="/nowhere")
    server.raw(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
    wait_for(lambda: samples(port).get('corn_requests_total{status="400"}') == 1, "the refusal")
    now = samples(port)
    assert now['corn_requests_total{status="200"}'] == 7
    assert sum(now[name] for name in now if name.startswith("corn_requests_total")) == 9
    assert now["corn_request_duration_seconds_count"] == 8
    assert now['corn_request_duration_seconds_bucket{le="+Inf"}'] == 8
    assert 0 < now["corn_request_duration_seconds_sum"] < 60
    by_worker = [now[name] for name in now if name.startswith("corn_worker_requests_total")]
    assert (len(by_worker), sum(by_worker)) == (2, 9)


def test_worker_is_called_by_its_own_name(serve: Serve, port: int) -> None:
    started(serve, port, "--worker-class=sync", "--threads=2")
    assert samples(port)['corn_info{version="0.1.0",worker="gthread"}'] == 1


def test_counters_survive_the_workers(serve: Serve, port: int) -> None:
    server = started(serve, port, "--max-requests=5")
    for number in range(1, 13):
        server.get("/pid")
        wait_for(partial(count_is, port, number), "the request to be counted")
    recycled = 'corn_worker_exits_total{reason="requests"}'
    wait_for(lambda: samples(port).get(recycled, 0) >= 1, "a worker to be recycled")
    assert samples(port)['corn_requests_total{status="200"}'] == 12


def test_workers_and_their_requests(serve: Serve, port: int, gate: Gate) -> None:
    server = started(serve, port, "-w2")
    server.wait_for_workers(2)
    with server.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        now = samples(port)
        assert now['corn_workers{state="busy"}'] == 1
        assert now['corn_workers{state="idle"}'] == 1
        assert now["corn_requests_in_flight"] == 1
        gate.open()
    now = samples(port)
    assert now["corn_workers_target"] == 2
    assert now['corn_info{version="0.1.0",worker="sync"}'] == 1
    assert now["corn_start_time_seconds"] > 1.7e9
    for slot in "01":
        assert 2**20 < now[f'corn_worker_memory_bytes{{worker="{slot}"}}'] < 2**32
    server.signal(SIGTTIN)
    wait_for(lambda: samples(port)["corn_workers_target"] == 3, "the third worker")


def test_why_workers_end(serve: Serve, port: int) -> None:
    server = started(serve, port)
    os.kill(server.wait_for_workers(1)[0], SIGKILL)
    wait_for(lambda: samples(port).get('corn_worker_exits_total{reason="killed"}') == 1, "the end")


def test_the_queue_of_a_listener(serve: Serve, port: int, gate: Gate) -> None:
    server = started(serve, port)
    name = f'corn_listener_queue{{listener="{server.address.url}"}}'
    assert samples(port)[name] == 0
    with server.address.connect() as busy:
        busy.sendall(gate.request)
        gate.entered()
        with server.address.connect() as one, server.address.connect() as other:
            for client in (one, other):
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_for(lambda: samples(port)[name] == 2, "two connections in the queue")
            gate.open()


def test_health(serve: Serve, port: int, gate: Gate) -> None:
    server = serve(
        *("--config", "/dev/null", f"--metrics-bind=127.0.0.1:{port}"),
        *("--graceful-timeout=60", "probe:app"),
    )
    wait_for(lambda: ready(port), "a worker to be ready")
    assert ask(port, "/livez") == (200, "ok\n")
    with server.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        # A busy worker is a ready one.
        assert ask(port, "/readyz") == (200, "ok\n")
        server.process.terminate()
        wait_for(lambda: ask(port, "/readyz") == (503, "the server is stopping\n"), "the stop")
        assert ask(port, "/livez")[0] == 200
        gate.open()
    server.wait()


def test_not_ready_while_a_stop_is_announced(serve: Serve, port: int) -> None:
    server = started(serve, port, "--shutdown-delay=60", "-w2")
    server.signal(SIGTERM)
    wait_for(lambda: ask(port, "/readyz") == (503, "the server is stopping\n"), "the announcement")
    assert server.get() == "hello"
    server.wait_for_workers(2)
    server.stop()


def test_not_ready_while_workers_boot(serve: Serve, port: int, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import os, time\nwhile not os.path.exists('go'):\n    time.sleep(0.01)\n"
        "def app(environ, start_response):\n    start_response('200 OK', [])\n    return []\n"
    )
    serve(f"--metrics-bind=127.0.0.1:{port}", "slow:app", cwd=tmp_path)
    wait_for(lambda: listens(port), "the metrics")
    assert ask(port, "/readyz")[0] == 503
    assert samples(port)['corn_workers{state="booting"}'] == 1
    (tmp_path / "go").touch()
    wait_for(lambda: ready(port), "the worker to be ready")


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def test_other_requests(serve: Serve, port: int) -> None:
    started(serve, port)
    assert ask(port, "/")[0] == 404
    assert ask(port, method="POST")[0] == 405
    assert ask(port, method="HEAD") == (200, "")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"nonsense\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"GET /livez HT")
        # The rest never comes; the server ends it.
        assert client.recv(100) == b""
    assert ask(port, "/livez")[0] == 200


def test_openmetrics(serve: Serve, port: int) -> None:
    server = started(serve, port)
    server.get("/pid")
    wait_for(lambda: samples(port).get('corn_requests_total{status="200"}') == 1, "the request")
    _, text = ask(port, Accept="application/openmetrics-text; version=1.0.0")
    assert text.endswith("# EOF\n")
    assert "corn_requests" in {family.name for family in parse_openmetrics(text)}


def test_a_reload_turns_metrics_on_moves_them_and_turns_them_off(
    serve: Serve, port: int, tmp_path: Path
) -> None:
    config = tmp_path / "metrics.conf.py"
    config.write_text("")
    server = serve(f"--config={config}", "probe:app")

    def reload(text: str) -> None:
        (old,) = server.wait_for_workers(1)
        config.write_text(text)
        server.signal(SIGHUP)
        wait_for(lambda: not alive(old), "the old worker to end")

    reload(f"metrics_bind = '127.0.0.1:{port}'")
    wait_for(lambda: ready(port), "the metrics")
    server.get("/pid")
    wait_for(lambda: samples(port).get('corn_requests_total{status="200"}') == 1, "the request")
    other = free_port()
    reload(f"metrics_bind = '127.0.0.1:{other}'")
    wait_for(lambda: ready(other), "the metrics at their new address")
    assert not listens(port)
    assert samples(other)['corn_requests_total{status="200"}'] == 1
    reload("")
    wait_for(lambda: not listens(other), "the metrics to end")
    server.stop()


def test_a_reload_to_an_address_in_use_keeps_the_old_one(
    serve: Serve, port: int, tmp_path: Path
) -> None:
    config = tmp_path / "metrics.conf.py"
    config.write_text(f"metrics_bind = '127.0.0.1:{port}'")
    server = serve(f"--config={config}", "probe:app")
    wait_for(lambda: ready(port), "the metrics")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        other = taken.getsockname()[1]
        config.write_text(f"metrics_bind = '127.0.0.1:{other}'")
        server.signal(SIGHUP)
        server.wait_for_log(rf"Metrics: cannot listen on 127.0.0.1:{other}: .*; still trying")
        assert ask(port, "/livez")[0] == 200
    wait_for(lambda: ready(other), "the metrics where they are wanted")
    assert server.log.count("still trying") == 1


def test_metrics_follow_an_upgrade(serve: Serve, port: int, tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    server = started(serve, port, f"--pid={pidfile}")
    server.signal(SIGUSR2)
    new = int(wait_for(lambda: text(tmp_path / "pid.2"), "the new master"))
    server.wait_for_log(rf"\[{new}\].*Listening at")
    # With its workers gone, the old master knows that the new one serves the same clients.
    server.signal(SIGWINCH)
    wait_for(lambda: samples(port)["corn_workers_target"] == 0, "the rest")
    assert ready(port)
    server.signal(SIGQUIT)
    server.process.wait(15)
    wait_for(lambda: f"[{new}] [INFO] Metrics at" in server.log, "the new master's metrics")
    wait_for(lambda: ready(port), "the metrics")
    os.kill(new, SIGQUIT)
    wait_for(lambda: not alive(new), "the new master to end")


def text(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""


def test_a_unix_socket(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "metrics.sock"
    server = serve(f"--metrics-bind=unix:{path}", "probe:app")
    server.wait_for_log(f"Metrics at: unix:{path}")
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(path))
        client.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")
    server.stop()
    assert not path.exists()


def test_a_port_in_use_prevents_the_start() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        outcome = run(f"--metrics-bind={address}", "--bind=127.0.0.1:0", "probe:app")
    assert outcome.returncode == 1
    assert f"cannot listen on {address}: " in outcome.stderr.splitlines()[-1]
    assert "metrics_bind" in outcome.stderr.splitlines()[-1]
    assert "Booting worker" not in outcome.stderr


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "localhost", "9100", "127.0.0.1:99999", "fd://3", "unix:@x", "a b:1"]
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    outcome = run(f"--metrics-bind={address}", "probe:app")
    assert outcome.returncode == 1
    (line,) = outcome.stderr.splitlines()
    assert "metrics_bind" in line
    assert "expected" in line


USED = """
import sys

def when_ready(server):
    heavy = {"prometheus_client", "corn_prometheus.exporter"} & sys.modules.keys()
    server.log.info("Loaded: %s.", sorted(heavy))
"""


def test_nothing_is_imported_or_called_without_metrics(
    serve: Serve, port: int, tmp_path: Path
) -> None:
    config = tmp_path / "used.py"
    config.write_text(
        USED + "def post_worker_init(worker):\n"
        "    worker.log.info('Bound: %s.', worker.hooks.bind('post_request'))\n"
    )
    server = serve(f"--config={config}", "probe:app")
    server.wait_for_log(r"Loaded: \[\]\.")
    server.wait_for_log(r"Bound: None\.")
    server = serve(f"--config={config}", f"--metrics-bind=127.0.0.1:{port}", "probe:app")
    server.wait_for_log(r"Loaded: \['corn_prometheus.exporter', 'prometheus_client'\]\.")
    server.wait_for_log(r"Bound: <function")


def test_the_listener_is_not_left_to_the_workers(serve: Serve, port: int) -> None:
    server = started(serve, port, "--graceful-timeout=60")
    (worker,) = server.wait_for_workers(1)
    inode = next(
        line.split()[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[1] == f"0100007F:{port:04X}" and line.split()[3] == "0A"
    )
    links = open_files(worker).values()
    assert f"socket:[{inode}]" not in links
    assert re.search(r"socket:\[\d+\]", " ".join(links))


# -- Prometheus itself ---------------------------------------------------------------


@pytest.fixture
def prometheus(tmp_path: Path, port: int) -> Iterator[Callable[[str], list[dict[str, object]]]]:
    """A Prometheus that scrapes the port; a function that queries it."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("the Debian package prometheus is not installed")
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: corn\n"
        f"  static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n"
    )
    api = free_port()
    with open(tmp_path / "prometheus.log", "wb") as log:
        process = subprocess.Popen(
            [
                *(program, f"--config.file={config}", f"--storage.tsdb.path={tmp_path}/data"),
                f"--web.listen-address=127.0.0.1:{api}",
            ],
            stdout=log,
            stderr=log,
        )

    def query(expression: str) -> list[dict[str, object]]:
        try:
            status, body = ask(api, f"/api/v1/query?query={quote(expression)}")
        except OSError:
            return []  # it has not started yet
        return json.loads(body)["data"]["result"] if status == 200 else []

    yield query
    process.kill()
    process.wait()
    print((tmp_path / "prometheus.log").read_text())


def test_prometheus_scrapes_what_was_sent(
    serve: Serve, port: int, prometheus: Callable[[str], list[dict[str, object]]]
) -> None:
    server = started(serve, port, "-w2", "--max-requests=10")
    for _ in range(40):
        server.get("/pid")

    def scraped() -> bool:
        result = prometheus('sum(corn_requests_total{status="200"})')
        return bool(result) and float(result[0]["value"][1]) == 40  # type: ignore[index]

    wait_for(scraped, "Prometheus to know of 40 requests", deadline=30)
    result = prometheus("histogram_quantile(0.5, corn_request_duration_seconds_bucket)")
    assert 0 < float(result[0]["value"][1]) < 10  # type: ignore[index]
    dashboard = Path(__file__).parents[3] / "examples" / "grafana-dashboard.json"
    for panel in json.loads(dashboard.read_text())["panels"]:
        for target in panel["targets"]:
            expression = target["expr"].replace("$__rate_interval", "1m")
            # A rate needs two scrapes.
            wait_for(partial(prometheus, expression), f"a result of {expression}", deadline=30)
