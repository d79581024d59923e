"""Descriptors that can be listened on, and those that cannot."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from corn_core.errors import BindError
from corn_core.net import FdAddress, Listener, bind_all
from corn_core.net.descriptor import listening_socket
from tests.unit.arbiter.fixtures import Lines


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def adopt(fd: int) -> Listener:
    (listener,) = bind_all([FdAddress(fd)], 1, Lines())
    return listener


@pytest.mark.parametrize(
    ("family", "host"),
    [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"), (socket.AF_UNIX, "")],
)
def test_a_listening_socket_is_adopted(family: int, host: str, tmp_path: Path) -> None:
    with socket.socket(family) as given:
        given.bind((host, 0) if host else str(tmp_path / "s"))
        given.listen(1)
        given.set_inheritable(True)
        listener = adopt(given.fileno())
        assert listener.fileno() == given.fileno()
        assert listener.socket.family == family
        assert listener.inherited
        assert not listener.socket.get_inheritable(), "programs must not get it"
        assert not listener.socket.getblocking()
        if family != socket.AF_UNIX:
            assert listener.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        listener.unlink()
        assert family != socket.AF_UNIX or (tmp_path / "s").exists(), "it is not ours"
        listener.socket.detach()


def test_its_url_is_that_of_the_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as given:
        listener = adopt(given.fileno())
        assert listener.url == f"http://127.0.0.1:{given.getsockname()[1]}"
        assert str(listener.address) == f"fd://{given.fileno()}"
        listener.abandon()
        assert is_open(given.fileno()), "what was passed can be had again"


def test_closed_descriptor() -> None:
    with socket.socket() as given:
        fd = given.fileno()
    with pytest.raises(BindError, match=rf"cannot listen on fd://{fd}: .*it is not open"):
        adopt(fd)


def test_file() -> None:
    with open(os.devnull) as file, pytest.raises(BindError, match="the descriptor is not a socket"):
        adopt(file.fileno())


@pytest.mark.parametrize(
    ("family", "kind", "message"),
    [
        (socket.AF_INET, socket.SOCK_STREAM, "the socket does not listen"),
        (socket.AF_UNIX, socket.SOCK_STREAM, "the socket does not listen"),
        (socket.AF_INET, socket.SOCK_DGRAM, "not a stream socket"),
        (socket.AF_UNIX, socket.SOCK_SEQPACKET, "not a stream socket"),
    ],
)
def test_socket_of_another_kind(family: int, kind: int, message: str) -> None:
    with socket.socket(family, kind) as given:
        with pytest.raises(BindError, match=rf"cannot listen on this one: .*{message}"):
            listening_socket(given.fileno(), "this one")
        assert is_open(given.fileno())


def test_connection() -> None:
    one, other = socket.socketpair()
    with one, other, pytest.raises(BindError, match="Accept=no"):
        adopt(one.fileno())
