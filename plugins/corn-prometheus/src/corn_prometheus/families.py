"""Turns what the server and its workers have counted into Prometheus's metric families."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from corn_core import __version__
from corn_core.plugin import WORKER_STATES
from corn_core.typing import Server
from corn_prometheus.tally import Tally

PAGE = os.sysconf("SC_PAGE_SIZE")


class Families(Collector):
    """Collects everything afresh for each scrape.

    :ivar server: the master; set before the first scrape.
    """

    server: Server

    def __init__(self, tally: Tally, exits: Counter[str]) -> None:
        self._tally = tally
        self._exits = exits
        self._started = time.time()

    def describe(self) -> list[Metric]:
        """Return nothing; otherwise the registry would collect once on registration."""
        return []

    def collect(self) -> Iterator[Metric]:
        yield from self._requests()
        yield from self._server()
        yield from self._workers()

    def _requests(self) -> Iterator[Metric]:
        statuses = CounterMetricFamily(
            "corn_requests",
            "Responses, by status, including those to refused requests.",
            labels=["status"],
        )
        for status, count in self._tally.statuses():
            statuses.add_metric([status], count)
        yield statuses
        buckets, total = self._tally.durations()
        yield HistogramMetricFamily(
            "corn_request_duration_seconds",
            "From a request's complete arrival to the end of its response.",
            buckets=buckets,
            sum_value=total,
        )

    def _server(self) -> Iterator[Metric]:
        about = GaugeMetricFamily(
            "corn_info", "The server's version and class of workers.", labels=["version", "worker"]
        )
        about.add_metric([__version__, self.server.worker_name], 1)
        yield about
        yield GaugeMetricFamily(
            "corn_start_time_seconds", "When the master started, in Unix time.", self._started
        )
        queue = GaugeMetricFamily(
            "corn_listener_queue",
            "Connections waiting to be accepted, where the system can tell.",
            labels=["listener"],
        )
        for listener in self.server.LISTENERS:
            queued = listener.queued()
            if queued is not None:
                queue.add_metric([str(listener)], queued)
        yield queue
        exits = CounterMetricFamily(
            "corn_worker_exits", "Workers that have exited, by reason.", labels=["reason"]
        )
        for reason, count in self._exits.items():
            exits.add_metric([reason], count)
        yield exits

    def _workers(self) -> Iterator[Metric]:
        workers = self.server.snapshot()
        yield GaugeMetricFamily(
            "corn_workers_target", "Workers that should be running.", self.server.num_workers
        )
        states = GaugeMetricFamily("corn_workers", "Workers, by state.", labels=["state"])
        for state in WORKER_STATES:
            states.add_metric([state], sum(worker.state == state for worker in workers))
        yield states
        yield GaugeMetricFamily(
            "corn_requests_in_flight",
            "Requests that the application is handling.",
            sum(worker.in_flight for worker in workers),
        )
        yield GaugeMetricFamily(
            "corn_connections", "Open connections.", sum(worker.connections for worker in workers)
        )
        answered = CounterMetricFamily(
            "corn_worker_requests",
            "Responses, by worker slot; a replacement takes over a slot and its count.",
            labels=["worker"],
        )
        memory = GaugeMetricFamily(
            "corn_worker_memory_bytes",
            "Resident memory, where the system can tell; shared memory counts for each worker.",
            labels=["worker"],
        )
        for worker in workers:
            answered.add_metric([str(worker.slot)], self._tally.requests(worker.slot))
            resident = resident_memory(worker.pid)
            if resident is not None:
                memory.add_metric([str(worker.slot)], resident)
        yield answered
        yield memory


def resident_memory(pid: int) -> int | None:
    """Return the resident set of a process in bytes; ``None`` without /proc, or if it is gone.

    This is not the proportional size, for which the kernel would walk all pages while the master
    waits.
    """
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * PAGE
    except (OSError, IndexError):
        return None
