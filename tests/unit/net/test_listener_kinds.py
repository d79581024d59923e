"""Listeners other than plain sockets of our own: abstract, passed, and one for each worker."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from corn_core.errors import BindError
from corn_core.net import FdAddress, Listener, bind_all, parse_address
from corn_core.net.activation import covers
from corn_core.net.address import HAS_ABSTRACT
from corn_core.net.listener import parse_reuse_port
from corn_core.setting import Expected
from tests.unit.arbiter.fixtures import Lines

NAME = f"corn-test-{os.getpid()}"

needs_abstract = pytest.mark.skipif(not HAS_ABSTRACT, reason="not on this system")


class Waited(Exception):
    """The address is in use."""


def no_wait(seconds: float) -> None:
    raise Waited


@contextmanager
def opened(text: str, reuse_port: bool = False) -> Iterator[Listener]:
    (listener,) = bind_all([parse_address(text)], 8, Lines(), no_wait, reuse_port)
    try:
        yield listener
    finally:
        listener.unlink()
        listener.close()


@contextmanager
def passed(sock: socket.socket) -> Iterator[Listener]:
    with sock:
        listener = Listener(FdAddress(sock.fileno()), sock)
        yield listener


def unix(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(path)
    sock.listen(1)
    return sock


# -- abstract ------------------------------------------------------------------------


@needs_abstract
def test_abstract_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with opened(f"unix:@{NAME}") as listener:
        assert listener.url == f"unix:@{NAME}"
        assert listener.is_unix
        assert not os.listdir(tmp_path), "it has no path"
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(f"\0{NAME}")
        listener.unlink()
        with pytest.raises(Waited), opened(f"unix:@{NAME}"):
            pass


# -- what a passed socket covers -----------------------------------------------------


def test_path_by_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "var-run").symlink_to("run")
    with passed(unix(f"{tmp_path}/run/s")) as listener:
        assert covers(listener, parse_address(f"unix:{tmp_path}/run/s"))
        assert covers(listener, parse_address(f"unix:{tmp_path}/var-run/s"))
        assert covers(listener, parse_address("unix:run/s"))
        assert not covers(listener, parse_address("unix:run/t"))
        assert not covers(listener, parse_address("unix:@run/s"))
        assert not covers(listener, parse_address("127.0.0.1:80"))


@needs_abstract
def test_abstract_name() -> None:
    with passed(unix(f"\0{NAME}")) as listener:
        assert covers(listener, parse_address(f"unix:@{NAME}"))
        assert not covers(listener, parse_address(f"unix:@{NAME}x"))
        assert not covers(listener, parse_address(f"unix:{NAME}"))


def test_host_and_port() -> None:
    with passed(socket.create_server(("127.0.0.1", 0))) as listener:
        port = int(listener.server_port)
        assert covers(listener, parse_address(f"127.0.0.1:{port}"))
        assert covers(listener, parse_address(f"localhost:{port}"))
        assert covers(listener, listener.address)
        for other in (f"127.0.0.2:{port}", f"0.0.0.0:{port}", "127.0.0.1:0", "fd://0", "unix:x"):
            assert not covers(listener, parse_address(other)), other


def test_socket_of_both_versions_is_at_the_ipv4_address_too() -> None:
    both = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    with passed(both) as listener:
        assert covers(listener, parse_address(f"0.0.0.0:{listener.server_port}"))
        assert covers(listener, parse_address(f"[::]:{listener.server_port}"))
        assert not covers(listener, parse_address(f"127.0.0.1:{listener.server_port}"))
    with passed(socket.create_server(("::", 0), family=socket.AF_INET6)) as listener:
        assert covers(listener, parse_address(f"[::]:{listener.server_port}"))
        assert not covers(listener, parse_address(f"0.0.0.0:{listener.server_port}"))


# -- one for each worker -------------------------------------------------------------


def listens(sock: socket.socket) -> bool:
    return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def test_the_first_socket_only_holds_the_address() -> None:
    with opened("127.0.0.1:0", reuse_port=True) as holder:
        assert holder.per_worker
        assert not listens(holder.socket)
        with opened(f"127.0.0.1:{holder.server_port}", reuse_port=True) as other:
            assert other.url == holder.url
            other.claim()
            other.socket.listen(1)
            with pytest.raises(Waited), opened(f"127.0.0.1:{holder.server_port}"):
                pass


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_claimed_socket_takes_connections(host: str) -> None:
    with (
        opened(f"{host}:0", reuse_port=True) as holder,
        opened(f"{host}:{holder.server_port}", reuse_port=True) as one,
    ):
        before = one.socket
        one.claim()
        assert before.fileno() == -1, "the copy of the master's socket is given up"
        assert not listens(one.socket)
        one.socket.listen(1)
        address = one.socket.getsockname()
        assert address == holder.socket.getsockname()
        with socket.create_connection(address[:2], 5):
            one.socket.settimeout(5)
            accepted, _ = one.socket.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_claimed_socket_never_blocks() -> None:
    with opened("127.0.0.1:0", reuse_port=True) as listener:
        listener.claim()
        listener.socket.listen(1)
        assert not listener.socket.get_inheritable()
        with pytest.raises(BlockingIOError):
            listener.socket.accept()


def test_claim_that_is_refused_names_the_address() -> None:
    with opened("127.0.0.1:0") as shared, pytest.raises(BindError, match=r"127\.0\.0\.1:0: Addr"):
        shared.claim()


def test_unix_sockets_are_shared(tmp_path: Path) -> None:
    with opened(f"unix:{tmp_path}/s", reuse_port=True) as listener:
        assert not listener.per_worker
        assert listens(listener.socket)


def test_system_that_cannot_do_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse_reuse_port("true") is True
    monkeypatch.delattr(socket, "SO_REUSEPORT")
    assert parse_reuse_port(False) is False
    with pytest.raises(Expected, match="no SO_REUSEPORT"):
        parse_reuse_port(True)
