"""Syslog, against real sockets in the place of the daemon."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from corn_core.config import Config
from corn_core.errors import SettingError
from corn_core.logs import SETTINGS as LOG_SETTINGS
from corn_core.logs import Logger
from corn_core.logs.handlers import let_add
from corn_core.process import title
from corn_syslog.address import default_address, parse_syslog_address
from corn_syslog.handler import MAX_DATAGRAM, SyslogHandler, program_name
from corn_syslog.plugin import SETTINGS, corn_log_handlers

TIMEOUT = 10.0


def config(**values: object) -> Config:
    settings = {each.name: each for each in (*LOG_SETTINGS, *title.SETTINGS, *SETTINGS)}
    defaults = {name: each.default for name, each in settings.items()}
    return Config(settings, defaults, {}).replace(**values)


class Daemon:
    """A socket to send to, as the syslog daemon has one."""

    def __init__(self, family: int, kind: int, address: str | tuple[str, int]) -> None:
        self.socket = socket.socket(family, kind)
        self.socket.settimeout(TIMEOUT)
        self.socket.bind(address)
        self.connection = self.socket
        if kind == socket.SOCK_STREAM:
            self.socket.listen()

    @property
    def port(self) -> int:
        port: int = self.socket.getsockname()[1]
        return port

    def accept(self) -> Daemon:
        if self.connection is not self.socket:
            self.connection.close()
        self.connection = self.socket.accept()[0]
        self.connection.settimeout(TIMEOUT)
        return self

    def receive(self) -> bytes:
        return self.connection.recv(1 << 17)

    def read_to(self, end: bytes) -> bytes:
        data = b""
        while not data.endswith(end):
            data += self.connection.recv(1)
        return data

    def close(self) -> None:
        self.connection.close()
        self.socket.close()


@pytest.fixture
def daemons() -> Iterator[list[Daemon]]:
    made: list[Daemon] = []
    yield made
    for each in made:
        each.close()


@pytest.fixture
def udp(daemons: list[Daemon]) -> Daemon:
    daemons.append(Daemon(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)))
    return daemons[-1]


@pytest.fixture
def tcp(daemons: list[Daemon]) -> Daemon:
    daemons.append(Daemon(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)))
    return daemons[-1]


def unix(daemons: list[Daemon], path: Path, kind: int) -> Daemon:
    path.unlink(missing_ok=True)
    daemons.append(Daemon(socket.AF_UNIX, kind, str(path)))
    return daemons[-1]


@pytest.fixture
def reports() -> list[str]:
    return []


@pytest.fixture
def log(reports: list[str]) -> Iterator[logging.Logger]:
    """A logger to which tests add handlers, which are closed afterwards."""
    logger = logging.Logger("tests.syslog")
    yield logger
    for handler in logger.handlers:
        handler.close()


def handler(log: logging.Logger, address: str, reports: list[str]) -> SyslogHandler:
    made = SyslogHandler(address, "user", "corn.x.error", reports.append)
    log.addHandler(made)
    return made


# -- the settings --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "where"),
    [
        ("udp://localhost:514", socket.SOCK_DGRAM, ("localhost", 514)),
        ("udp://10.0.0.1", socket.SOCK_DGRAM, ("10.0.0.1", 514)),
        ("udp://", socket.SOCK_DGRAM, ("localhost", 514)),
        ("udp://:99", socket.SOCK_DGRAM, ("localhost", 99)),
        ("tcp://logs.example.org:6514", socket.SOCK_STREAM, ("logs.example.org", 6514)),
        ("tcp://[::1]:99", socket.SOCK_STREAM, ("::1", 99)),
        ("udp://[fe80::1]", socket.SOCK_DGRAM, ("fe80::1", 514)),
        ("unix:///dev/log", None, "/dev/log"),
        ("unix:///dev/log#dgram", socket.SOCK_DGRAM, "/dev/log"),
        ("unix://run/log#stream", socket.SOCK_STREAM, "run/log"),
    ],
)
def test_address(text: str, kind: int | None, where: str | tuple[str, int]) -> None:
    address = parse_syslog_address(text)
    assert address.type == kind
    if isinstance(where, str):
        assert (address.path, address.tcp_ip) == (where, None)
    else:
        assert address.tcp_ip is not None
        assert (address.tcp_ip.host, address.tcp_ip.port) == where


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost:514", "an address such as udp://HOST:PORT"),
        ("http://localhost", "an address such as udp://HOST:PORT"),
        ("udp://h:0", "a host and a port from 1 to 65535 after udp://"),
        ("tcp://h:65536", "a host and a port from 1 to 65535 after tcp://"),
        ("tcp://::1", "a host and a port"),
        ("udp://[x]", "a host and a port"),
        ("unix://", "the path of a socket after unix://"),
        ("unix:///" + "x" * 120, "the path of a unix socket to have at most"),
        ("unix:///dev/log#tcp", "stream or dgram after the #"),
    ],
)
def test_bad_address(text: str, expected: str) -> None:
    with pytest.raises(SettingError, match=rf"syslog_addr: expected {expected}"):
        config(syslog_addr=text)


@pytest.mark.parametrize(
    ("platform", "address"),
    [
        ("linux", "udp://localhost:514"),
        ("darwin", "unix:///var/run/syslog"),
        ("freebsd14", "unix:///var/run/log"),
        ("openbsd7", "unix:///dev/log"),
    ],
)
def test_default_address(platform: str, address: str) -> None:
    assert default_address(platform) == address
    parse_syslog_address(address)


def test_facility_is_a_known_one() -> None:
    assert config(syslog_facility="LOCAL7").syslog_facility == "local7"
    with pytest.raises(SettingError, match=r"syslog_facility: expected one of kern, user, "):
        config(syslog_facility="local8")


def test_program_name_is_one_word() -> None:
    assert program_name("app:app", "error") == "corn.app.app.error"
    assert program_name("my shop[1]é", "access") == "corn.my.shop.1...access"


# -- what is sent --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facility", "level", "priority"),
    [
        ("user", logging.INFO, 14),
        ("kern", logging.CRITICAL, 2),
        ("user", logging.ERROR, 11),
        ("daemon", logging.WARNING, 28),
        ("auth", logging.DEBUG, 39),
        ("local0", logging.INFO, 134),
        ("local7", logging.INFO + 1, 190),
    ],
)
def test_priority(
    udp: Daemon, log: logging.Logger, facility: str, level: int, priority: int
) -> None:
    made = SyslogHandler(f"udp://127.0.0.1:{udp.port}", facility, "corn.x.error", print)
    log.addHandler(made)
    log.log(level, "hello")
    assert udp.receive() == b"<%d>corn.x.error: hello" % priority


def test_datagram_has_the_message_in_one_piece(
    udp: Daemon, log: logging.Logger, reports: list[str]
) -> None:
    handler(log, f"udp://127.0.0.1:{udp.port}", reports)
    log.info("one\ntwo \0 \udcff é")
    assert udp.receive() == "<14>corn.x.error: one\ntwo \\x00 \\udcff é".encode()


def test_datagram_that_would_be_too_long_is_cut(
    udp: Daemon, log: logging.Logger, reports: list[str]
) -> None:
    handler(log, f"udp://127.0.0.1:{udp.port}", reports)
    log.info("x" * 100_000)
    assert len(udp.receive()) == MAX_DATAGRAM
    assert reports == []


def test_lines_are_messages_on_a_tcp_connection(
    tcp: Daemon, log: logging.Logger, reports: list[str]
) -> None:
    handler(log, f"tcp://127.0.0.1:{tcp.port}", reports)
    log.error("one\n  two")
    tcp.accept()
    assert tcp.read_to(b"two\n") == b"<11>corn.x.error: one\n<11>corn.x.error:   two\n"


def test_nul_ends_a_message_on_a_unix_stream(
    daemons: list[Daemon], tmp_path: Path, log: logging.Logger, reports: list[str]
) -> None:
    daemon = unix(daemons, tmp_path / "log", socket.SOCK_STREAM)
    handler(log, f"unix://{tmp_path}/log#stream", reports)
    log.info("one\ntwo")
    assert daemon.accept().read_to(b"\0") == b"<14>corn.x.error: one\ntwo\0"


@pytest.mark.parametrize("suffix", ["", "#dgram"])
def test_unix_datagrams(
    daemons: list[Daemon], tmp_path: Path, log: logging.Logger, reports: list[str], suffix: str
) -> None:
    daemon = unix(daemons, tmp_path / "log", socket.SOCK_DGRAM)
    handler(log, f"unix://{tmp_path}/log{suffix}", reports)
    log.info("hello")
    assert daemon.receive() == b"<14>corn.x.error: hello"


def test_unix_socket_is_tried_as_a_stream_first(
    daemons: list[Daemon], tmp_path: Path, log: logging.Logger, reports: list[str]
) -> None:
    daemon = unix(daemons, tmp_path / "log", socket.SOCK_STREAM)
    handler(log, f"unix://{tmp_path}/log", reports)
    log.info("hello")
    assert daemon.accept().read_to(b"\0") == b"<14>corn.x.error: hello\0"


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_ipv6(daemons: list[Daemon], log: logging.Logger, reports: list[str]) -> None:
    daemon = Daemon(socket.AF_INET6, socket.SOCK_DGRAM, ("::1", 0))
    daemons.append(daemon)
    handler(log, f"udp://[::1]:{daemon.port}", reports)
    log.info("hello")
    assert daemon.receive() == b"<14>corn.x.error: hello"


# -- a daemon that comes and goes ----------------------------------------------------


def test_daemon_that_is_not_there_is_reported_once(
    tmp_path: Path, log: logging.Logger, reports: list[str]
) -> None:
    handler(log, f"unix://{tmp_path}/none", reports)
    for _ in range(3):
        log.info("lost")
    (report,) = reports
    assert report == (
        f"Cannot log to syslog at unix://{tmp_path}/none: No such file or directory;"
        " messages are lost until that works"
    )


def test_daemon_that_comes_later_gets_what_comes_then(
    daemons: list[Daemon],
    tmp_path: Path,
    log: logging.Logger,
    reports: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("corn_syslog.handler.PAUSE", 0.0)
    handler(log, f"unix://{tmp_path}/log", reports)
    log.info("lost")
    daemon = unix(daemons, tmp_path / "log", socket.SOCK_DGRAM)
    log.info("found")
    assert daemon.receive() == b"<14>corn.x.error: found"
    daemon.close()
    log.info("lost")
    assert len(reports) == 2


def test_after_a_failure_there_is_a_pause(
    daemons: list[Daemon], tmp_path: Path, log: logging.Logger, reports: list[str]
) -> None:
    handler(log, f"unix://{tmp_path}/log", reports)
    log.info("lost")
    daemon = unix(daemons, tmp_path / "log", socket.SOCK_DGRAM)
    log.info("lost too")
    daemon.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        daemon.receive()


def test_restarted_daemon_gets_the_very_next_message(
    daemons: list[Daemon], tmp_path: Path, log: logging.Logger, reports: list[str]
) -> None:
    daemon = unix(daemons, tmp_path / "log", socket.SOCK_DGRAM)
    handler(log, f"unix://{tmp_path}/log#dgram", reports)
    log.info("one")
    daemon.receive()
    daemon.close()
    daemon = unix(daemons, tmp_path / "log", socket.SOCK_DGRAM)
    log.info("two")
    assert daemon.receive() == b"<14>corn.x.error: two"
    assert reports == []


def test_connection_that_the_daemon_has_closed_is_made_anew(
    tcp: Daemon, log: logging.Logger, reports: list[str]
) -> None:
    handler(log, f"tcp://127.0.0.1:{tcp.port}", reports)
    log.info("one")
    tcp.accept().read_to(b"\n")
    tcp.connection.shutdown(socket.SHUT_WR)
    log.info("two")
    assert tcp.accept().read_to(b"\n") == b"<14>corn.x.error: two\n"
    assert reports == []


def test_daemon_that_does_not_read_holds_up_no_one(
    daemons: list[Daemon],
    tmp_path: Path,
    log: logging.Logger,
    reports: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("corn_syslog.handler.PATIENCE", 0.05)
    unix(daemons, tmp_path / "log", socket.SOCK_STREAM)
    handler(log, f"unix://{tmp_path}/log#stream", reports)
    log.info("there is room for this")
    log.info("x" * 10_000_000)
    (report,) = reports
    assert "timed out" in report


def test_port_where_nobody_listens_is_reported(
    udp: Daemon, log: logging.Logger, reports: list[str]
) -> None:
    port = udp.port
    udp.close()
    handler(log, f"udp://127.0.0.1:{port}", reports)
    for _ in range(3):
        log.info("lost")
    (report,) = reports
    assert "Connection refused" in report


def test_child_has_a_connection_of_its_own(
    tcp: Daemon, log: logging.Logger, reports: list[str]
) -> None:
    handler(log, f"tcp://127.0.0.1:{tcp.port}", reports)
    log.info("parent")
    tcp.accept().read_to(b"\n")
    first = tcp.connection
    pid = os.fork()
    if pid == 0:
        log.info("child")
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    tcp.connection = tcp.socket
    assert tcp.accept().read_to(b"\n") == b"<14>corn.x.error: child\n"
    log.info("parent")
    assert first.recv(100) == b"<14>corn.x.error: parent\n"
    first.close()


def test_handler_that_the_application_has_closed_goes_on(
    udp: Daemon, log: logging.Logger, reports: list[str]
) -> None:
    made = handler(log, f"udp://127.0.0.1:{udp.port}", reports)
    log.info("one")
    made.close()
    log.info("two")
    assert [udp.receive()[-3:] for _ in range(2)] == [b"one", b"two"]


# -- the logger ----------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _plugin() -> None:
    """Have loggers ask the plugin, as in a server; they are forgotten after each test."""
    let_add(corn_log_handlers)


ANSWERED = SimpleNamespace(status="200 OK", headers=[], sent=5, status_code=200)


def access(logger: Logger) -> None:
    logger.access(ANSWERED, None, {}, timedelta(0))


def test_both_logs_go_to_syslog(udp: Daemon, tmp_path: Path) -> None:
    logger = Logger(
        config(
            syslog=True,
            syslog_addr=f"udp://127.0.0.1:{udp.port}",
            syslog_prefix="shop",
            errorlog=str(tmp_path / "error.log"),
            access_log_format="%(s)s",
        )
    )
    assert logger.access_enabled
    logger.warning("hello")
    access(logger)
    pid = os.getpid()
    assert udp.receive() == b"<12>corn.shop.error: [%d] hello" % pid
    assert udp.receive() == b"<14>corn.shop.access: [%d] 200" % pid
    assert (tmp_path / "error.log").read_text().endswith("[WARNING] hello\n")


def test_access_log_can_be_kept_from_syslog(udp: Daemon, tmp_path: Path) -> None:
    values = {"syslog": True, "syslog_addr": f"udp://127.0.0.1:{udp.port}"}
    logger = Logger(config(**values, disable_redirect_access_to_syslog=True))
    assert not logger.access_enabled
    path = tmp_path / "access.log"
    logger.setup(config(**values, disable_redirect_access_to_syslog=True, accesslog=str(path)))
    access(logger)
    logger.info("first")
    assert udp.receive().endswith(b"first")
    assert path.read_text().count("\n") == 1


@pytest.mark.parametrize(
    ("values", "program"),
    [
        ({"proc_name": "a:b", "default_proc_name": "c"}, b"corn.a.b.error"),
        ({"default_proc_name": "shop.wsgi:app"}, b"corn.shop.wsgi.app.error"),
    ],
)
def test_prefix_is_the_name_of_the_process(
    udp: Daemon, values: dict[str, str], program: bytes
) -> None:
    address = f"udp://127.0.0.1:{udp.port}"
    Logger(config(syslog=True, syslog_addr=address, errorlog="/dev/null", **values)).info("x")
    assert udp.receive().startswith(b"<14>" + program + b": [")


def test_report_is_in_the_error_log(tmp_path: Path) -> None:
    path = tmp_path / "error.log"
    logger = Logger(config(syslog=True, syslog_addr="unix:///none", errorlog=str(path)))
    logger.info("one")
    logger.info("two")
    lines = [line.split("] ")[-1] for line in path.read_text().splitlines()]
    assert sorted(lines) == sorted(
        [
            "one",
            "Cannot log to syslog at unix:///none: No such file or directory;"
            " messages are lost until that works",
            "two",
        ]
    )


def test_syslog_that_is_switched_off_is_left_alone(udp: Daemon) -> None:
    address = f"udp://127.0.0.1:{udp.port}"
    logger = Logger(config(syslog=True, syslog_addr=address, errorlog="/dev/null"))
    logger.setup(config(syslog_addr=address, errorlog="/dev/null"))
    logger.info("not this")
    logger.setup(config(syslog=True, syslog_addr=address, errorlog="/dev/null"))
    logger.info("this")
    assert udp.receive().endswith(b"] this")
