"""The master's handling of lost datagrams, and of another configuration."""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from corn_statsd.board import MASTER
from corn_statsd.instrument import Instrument
from corn_statsd.link import LOOK_UP_PERIOD, REPORT_PERIOD, Link
from corn_testkit.waiting import wait_for


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> logging.Logger:
    return logging.getLogger("tests.statsd")


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(10)
        yield sock


def test_losses_are_reported_once_a_minute_at_most(
    log: Any, caplog: pytest.LogCaptureFixture
) -> None:
    link = Link("127.0.0.1:9")

    def look(cell: int, number: int, now: float) -> list[str]:
        caplog.clear()
        if number:
            link.board.fail(cell, number)
        link.look(3, log, now)
        return [record.getMessage() for record in caplog.records]

    start = link._reported_at
    assert look(MASTER, 0, start) == []
    assert look(2, errno.ECONNREFUSED, start + 1) == [
        "Metrics for statsd at 127.0.0.1:9 are lost: Connection refused"
    ]
    assert look(MASTER, errno.ECONNREFUSED, start + 2) == []
    assert look(1, errno.EAGAIN, start + REPORT_PERIOD) == []
    assert look(1, errno.EAGAIN, start + 1 + REPORT_PERIOD) == [
        "Metrics for statsd at 127.0.0.1:9 are lost: it does not read them"
    ]
    assert look(1, 0, start + 2 + 2 * REPORT_PERIOD) == []


def test_name_is_looked_up_again_when_it_was_not_found(
    log: Any, server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, **options: Any) -> Any:
        asked.append(host)
        if len(asked) == 1:
            raise socket.gaierror(socket.EAI_AGAIN, "Try again")
        return real("127.0.0.1", port, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    link = Link(f"statsd.example:{server.getsockname()[1]}")
    assert link.board.target() is None
    now = link._looked_up_at
    link.look(1, log, now + LOOK_UP_PERIOD - 1)
    assert len(asked) == 1

    def found() -> bool:
        link.look(1, log, now + LOOK_UP_PERIOD)
        return link.board.target() == (socket.AF_INET, server.getsockname())

    wait_for(found, "the address")
    assert asked == ["statsd.example"] * 2


def configuration(host: str | None, prefix: str = "") -> Any:
    return SimpleNamespace(
        statsd_host=host, statsd_prefix=prefix, dogstatsd_tags="", statsd_names="corn"
    )


@pytest.fixture
def follow(log: logging.Logger) -> Iterator[Callable[[Any], Instrument]]:
    """An instrument, and the master's logger; what it has put there is taken away."""
    instrument = Instrument()
    logger: Any = SimpleNamespace(error_log=log)

    def follow(config: Any) -> Instrument:
        instrument.follow(config, logger)
        return instrument

    yield follow
    instrument.close()
    log.handlers.clear()


def test_another_configuration_is_followed(
    follow: Callable[[Any], Instrument], log: logging.Logger, server: socket.socket
) -> None:
    host = "{}:{}".format(*server.getsockname())
    assert follow(configuration(None)).client() is None
    log.error("not counted")
    for prefix in ("one", "two"):
        config = configuration(host, prefix)
        client = follow(config).client()
        assert follow(config).client() is client
        log.error("counted")
        assert server.recv(100) == f"{prefix}.corn.log.error:1|c".encode()
    assert follow(configuration(host, "two")).client() is client
    follow(configuration(host, "two")).close()
    assert not log.handlers
    log.error("not counted")
    assert follow(configuration(host, "two")).client() is not client
    log.error("counted again")
    assert server.recv(100) == b"two.corn.log.error:1|c"


def test_handler_that_a_logging_configuration_took_away_comes_back(
    follow: Callable[[Any], Instrument], log: logging.Logger, server: socket.socket
) -> None:
    host = "{}:{}".format(*server.getsockname())
    follow(configuration(host))
    log.handlers.clear()
    follow(configuration(host))
    log.error("counted")
    assert server.recv(100) == b"corn.log.error:1|c"


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs proc(5)")
def test_each_end_closes_what_is_open(
    follow: Callable[[Any], Instrument], log: logging.Logger, server: socket.socket
) -> None:
    host = "{}:{}".format(*server.getsockname())
    before = descriptors()
    instrument = follow(configuration(host))
    master = descriptors() - before
    instrument.post_fork(SimpleNamespace(slot=SimpleNamespace(index=0)))
    worker = descriptors() - before
    assert (len(master), len(worker)) == (1, 1)
    instrument.worker_exit()
    assert descriptors() == before
    instrument.post_fork(SimpleNamespace(slot=SimpleNamespace(index=0)))
    instrument.on_exit(SimpleNamespace(LISTENERS=[], log=log))
    assert descriptors() == before
    log.error("not counted")
    instrument.post_request(SimpleNamespace(status="200 OK", duration=0.0))
    assert descriptors() == before


def test_foreign_logger_is_wrapped_once_for_each_configuration(server: socket.socket) -> None:
    quiet: Any = SimpleNamespace(
        **dict.fromkeys(("warning", "error", "critical", "exception", "log"), print)
    )
    instrument, config = Instrument(), configuration("{}:{}".format(*server.getsockname()))
    instrument.follow(config, quiet)
    counted = quiet.error
    assert counted is not print
    instrument.follow(config, quiet)
    assert quiet.error is counted
    instrument.close()
