from __future__ import annotations

import errno
import logging
import os
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from corn_core.errors import BindError
from corn_core.net import Listener, PathAccess, bind_all, parse_address
from corn_core.net.listener import SETTINGS, preferred

# As much of a server's logger as binding needs.
LOG: Any = logging.getLogger("tests.listener")


class Bound:
    """Binds for a test, notes the pauses instead of making them, and closes everything."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self.listeners: list[Listener] = []

    def __call__(self, *texts: str, backlog: int = 8) -> list[Listener]:
        addresses = [parse_address(text) for text in texts]
        new = bind_all(addresses, backlog, LOG, self.wait)
        self.listeners += new
        return new

    def wait(self, seconds: float) -> None:
        self.pauses.append(seconds)


@pytest.fixture
def bound() -> Iterator[Bound]:
    bound = Bound()
    yield bound
    for listener in bound.listeners:
        listener.unlink()
        listener.close()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A relative path, because that of a temporary directory may be too long for a socket."""
    monkeypatch.chdir(tmp_path)
    return "corn.sock"


def occupied_port() -> socket.socket:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(1)
    return sock


def serves(listener: Listener) -> bool:
    """Tell whether a client reaches it at the address that it gives."""
    with socket.socket(listener.socket.family) as client:
        client.settimeout(5)
        client.connect(listener.socket.getsockname())
        client.sendall(b"x")
        listener.socket.settimeout(5)
        accepted, _ = listener.socket.accept()
        with accepted:
            accepted.settimeout(5)
            return accepted.recv(1) == b"x"


# -- TCP -----------------------------------------------------------------------------


def test_port_0_shows_the_kernels_choice(bound: Bound) -> None:
    (listener,) = bound("127.0.0.1:0")
    port = listener.socket.getsockname()[1]
    assert port != 0
    assert str(listener) == listener.url == f"http://127.0.0.1:{port}"
    assert (listener.server_name, listener.server_port) == ("127.0.0.1", str(port))
    assert not listener.is_unix
    assert listener.fileno() == listener.socket.fileno()
    # By the names that hook functions written for Gunicorn use.
    assert listener.getsockname() == listener.sock.getsockname() == ("127.0.0.1", port)
    assert serves(listener)


def test_url_outlives_the_socket(bound: Bound) -> None:
    (listener,) = bound("127.0.0.1:0")
    url = listener.url
    listener.close()
    assert (listener.url, listener.fileno()) == (url, -1)


def test_socket_never_blocks_and_is_not_inherited(bound: Bound) -> None:
    (listener,) = bound("127.0.0.1:0")
    assert not listener.socket.get_inheritable()
    with pytest.raises(BlockingIOError):
        listener.socket.accept()


def test_accepted_connections_do_not_wait_to_fill_a_packet(bound: Bound) -> None:
    (listener,) = bound("127.0.0.1:0")
    with socket.create_connection(listener.socket.getsockname(), 5) as client:
        client.sendall(b"x")
        listener.socket.settimeout(5)
        accepted, _ = listener.socket.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


@pytest.mark.skipif(not hasattr(socket, "TCP_DEFER_ACCEPT"), reason="not on this system")
def test_connection_shows_up_with_its_request(bound: Bound) -> None:
    (listener,) = bound("127.0.0.1:0")
    with socket.create_connection(listener.socket.getsockname(), 5) as client:
        with pytest.raises(BlockingIOError):
            listener.socket.accept()
        client.sendall(b"x")
        listener.socket.settimeout(5)
        accepted, _ = listener.socket.accept()
        accepted.close()


def test_address_is_free_again_at_once(bound: Bound) -> None:
    # The accepted side closes first, so its end of the connection stays in TIME_WAIT.
    (first,) = bound("127.0.0.1:0")
    assert serves(first)
    name = first.socket.getsockname()
    first.close()
    (second,) = bound(f"127.0.0.1:{name[1]}")
    assert second.socket.getsockname() == name
    assert bound.pauses == []


@pytest.mark.skipif(not os.path.exists("/proc/net/if_inet6"), reason="no IPv6 here")
def test_ipv6_leaves_ipv4_to_others(bound: Bound) -> None:
    with socket.socket() as reserved:
        # Bound, so that no client of another test gets the port, and not listening, so that we can.
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("0.0.0.0", 0))
        port = reserved.getsockname()[1]
        (six,) = bound(f"[::]:{port}")
        (four,) = bound(f"0.0.0.0:{port}")
    assert six.server_name == "[::]"
    assert six.url == f"http://[::]:{port}"
    assert serves(six)
    assert serves(four)


def test_ipv4_comes_first() -> None:
    six = (socket.AF_INET6, ("::1", 80, 0, 0))
    four, other = (socket.AF_INET, ("127.0.0.1", 80)), (socket.AF_INET, ("127.0.0.2", 80))
    assert preferred([six, four, other]) == four
    assert preferred([four, six]) == four
    assert preferred([six]) == six


def test_host_name_is_looked_up(bound: Bound) -> None:
    (listener,) = bound("localhost:0")
    assert listener.url == f"http://127.0.0.1:{listener.server_port}"
    assert str(listener.address) == "localhost:0"


def test_unknown_host_name_fails_at_once(bound: Bound) -> None:
    with pytest.raises(BindError, match=r"^cannot listen on no-such-host\.invalid:1: "):
        bound("no-such-host.invalid:1")
    assert bound.pauses == []


# -- trying again, and all or nothing ------------------------------------------------


def test_address_in_use_is_tried_five_times(bound: Bound, caplog: pytest.LogCaptureFixture) -> None:
    with occupied_port() as other:
        port = other.getsockname()[1]
        with pytest.raises(BindError, match=f"^cannot listen on 127.0.0.1:{port}: Address already"):
            bound(f"127.0.0.1:{port}")
    assert bound.pauses == [1.0] * 4
    in_use = f"Connection in use: 127.0.0.1:{port}"
    assert caplog.messages == [in_use, "Retrying in 1 second."] * 4 + [in_use]


def test_address_in_use_is_tried_once_at_a_terminal(
    bound: Bound, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "isatty", lambda fd: True)
    with occupied_port() as other:
        port = other.getsockname()[1]
        with pytest.raises(BindError, match=f"^cannot listen on 127.0.0.1:{port}: Address already"):
            bound(f"127.0.0.1:{port}")
    assert bound.pauses == []
    assert caplog.messages == [f"Connection in use: 127.0.0.1:{port}"]


def test_address_that_becomes_free_is_taken(bound: Bound, monkeypatch: pytest.MonkeyPatch) -> None:
    other = occupied_port()
    port = other.getsockname()[1]
    monkeypatch.setattr(bound, "wait", lambda seconds: other.close())
    (listener,) = bound(f"127.0.0.1:{port}")
    assert listener.server_port == str(port)


def test_address_of_no_interface_is_tried_again(
    bound: Bound, caplog: pytest.LogCaptureFixture
) -> None:
    # 192.0.2.0/24 is for documentation, and no machine has it (RFC 5737).
    with pytest.raises(BindError, match="no interface of this machine has that address"):
        bound("192.0.2.1:0")
    assert len(bound.pauses) == 4
    assert caplog.messages[0] == "Invalid address: 192.0.2.1:0"


def test_nothing_stays_bound_when_one_address_fails(bound: Bound, path: str) -> None:
    with occupied_port() as other, occupied_port() as freed:
        port = freed.getsockname()[1]
        freed.close()
        with pytest.raises(BindError):
            bound(f"127.0.0.1:{port}", f"unix:{path}", f"127.0.0.1:{other.getsockname()[1]}")
    assert not os.path.lexists(path)
    with socket.socket() as again:
        again.bind(("127.0.0.1", port))


def test_nothing_stays_bound_when_the_wait_is_broken_off(
    bound: Bound, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stop(BaseException):
        pass

    def stop(seconds: float) -> None:
        raise Stop

    monkeypatch.setattr(bound, "wait", stop)
    with occupied_port() as other, pytest.raises(Stop):
        bound(f"unix:{path}", f"127.0.0.1:{other.getsockname()[1]}")
    assert not os.path.lexists(path)


# -- unix sockets --------------------------------------------------------------------


def test_unix_socket(bound: Bound, path: str) -> None:
    (listener,) = bound(f"unix:{path}")
    assert listener.url == f"unix:{path}"
    assert listener.is_unix
    assert (listener.server_name, listener.server_port) == ("localhost", "80")
    assert serves(listener)


@pytest.mark.parametrize("mask", [0o000, 0o027, 0o177])
def test_mode_follows_the_umask(bound: Bound, path: str, mask: int) -> None:
    before = os.umask(mask)
    try:
        bound(f"unix:{path}")
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o777 & ~mask


def test_stale_socket_is_replaced(bound: Bound, path: str) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
        dead.listen(1)
    (listener,) = bound(f"unix:{path}")
    assert bound.pauses == []
    assert serves(listener)


def test_socket_thatis_answered_is_not_touched(
    bound: Bound, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    (first,) = bound(f"unix:{path}")
    with pytest.raises(BindError, match=rf"cannot listen on unix:{path}: Address already in use"):
        bound(f"unix:{path}")
    assert len(bound.pauses) == 4
    assert caplog.messages[0] == f"Connection in use: unix:{path}"
    drop_waiting_connections(first)
    assert serves(first)


def drop_waiting_connections(listener: Listener) -> None:
    listener.socket.setblocking(False)
    while True:
        try:
            listener.socket.accept()[0].close()
        except BlockingIOError:
            return


def test_full_backlog_counts_as_answered(bound: Bound, path: str) -> None:
    (first,) = bound(f"unix:{path}", backlog=1)
    clients = []
    while True:
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        clients.append(client)
        try:
            client.connect(path)
        except BlockingIOError:
            break
    with pytest.raises(BindError, match="Address already in use"):
        bound(f"unix:{path}")
    for client in clients:
        client.close()
    assert os.path.exists(path)
    drop_waiting_connections(first)
    assert serves(first)


def test_other_files_are_not_removed(bound: Bound, path: str) -> None:
    Path(path).write_text("precious")
    with pytest.raises(BindError, match="the path exists and is not a socket"):
        bound(f"unix:{path}")
    assert Path(path).read_text() == "precious"
    assert bound.pauses == []


def test_link_to_a_socket_is_not_removed(bound: Bound, path: str) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind("elsewhere")
    os.symlink("elsewhere", path)
    with pytest.raises(BindError, match="the path exists and is not a socket"):
        bound(f"unix:{path}")
    assert os.path.islink(path)


def test_socket_of_another_kind_is_not_removed(bound: Bound, path: str) -> None:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as datagrams:
        datagrams.bind(path)
        with pytest.raises(BindError, match=os.strerror(errno.EPROTOTYPE)):
            bound(f"unix:{path}")
    assert os.path.exists(path)


def test_directory_must_be_there(bound: Bound, path: str) -> None:
    with pytest.raises(BindError) as caught:
        bound("unix:none/x")
    missing = os.path.abspath("none")
    assert str(caught.value) == (
        f"cannot listen on unix:none/x: the directory {missing!r} does not exist; create it first"
    )
    assert bound.pauses == []


def test_close_leaves_the_path_and_unlink_removes_it(
    bound: Bound, path: str, tmp_path: Path
) -> None:
    (listener,) = bound(f"unix:{path}")
    listener.close()
    assert os.path.exists(path)
    os.chdir("/")
    listener.unlink()
    assert not os.path.exists(tmp_path / path)
    listener.unlink()


def test_unlink_leaves_the_socket_of_another_server(bound: Bound, path: str) -> None:
    (first,) = bound(f"unix:{path}")
    os.rename(path, "old")  # keeps the inode's number from being used again
    (second,) = bound(f"unix:{path}")
    first.unlink()
    assert serves(second)


def test_unlink_of_a_tcp_listener_does_nothing(bound: Bound) -> None:
    (listener,) = bound("127.0.0.1:0")
    listener.unlink()
    assert serves(listener)


# -- settings ------------------------------------------------------------------------


def test_defaults_are_values_that_the_parsers_give() -> None:
    for setting in SETTINGS:
        assert setting.parse(setting.default) == setting.default


def test_port_variable() -> None:
    bind = SETTINGS[0]
    assert bind.env == "PORT"
    assert bind.env_value is not None
    assert bind.parse(bind.env_value("5000")) == ["0.0.0.0:5000"]


# -- who may connect to a unix socket ------------------------------------------------


@pytest.mark.parametrize("umask", [0, 0o007, 0o077])
def test_umask_of_a_path(path: str, umask: int) -> None:
    before = os.umask(0o022)
    try:
        with closing(
            bind_all([parse_address(f"unix:{path}")], 1, LOG, access=PathAccess(umask))[0]
        ):
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o777 & ~umask
        assert os.umask(0o022) == 0o022, "the process has its own again"
    finally:
        os.umask(before)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_owner_of_a_path(path: str) -> None:
    access = PathAccess(uid=54321, gid=54322)
    with closing(bind_all([parse_address(f"unix:{path}")], 1, LOG, access=access)[0]):
        status = os.stat(path)
        assert (status.st_uid, status.st_gid) == (54321, 54322)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may give files away")
def test_owner_that_cannot_be_had(path: str) -> None:
    with pytest.raises(BindError, match="cannot give it to user and group"):
        bind_all([parse_address(f"unix:{path}")], 1, LOG, access=PathAccess(uid=0))
    assert not os.path.exists(path)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how long the queue is")
def test_the_queue_of_connections(bound: Bound) -> None:
    (listener,) = bound("127.0.0.1:0")
    assert listener.queued() == 0
    name = listener.socket.getsockname()
    with socket.create_connection(name) as one, socket.create_connection(name) as other:
        # With a deferred accept, one that has sent nothing is not in the queue yet.
        for client in (one, other):
            client.sendall(b"x")
        assert listener.queued() == 2
        listener.socket.accept()[0].close()
        assert listener.queued() == 1


def test_the_queue_of_a_unix_socket_is_not_known(bound: Bound, path: str) -> None:
    (listener,) = bound(f"unix:{path}")
    assert listener.queued() is None


def test_the_queue_of_a_closed_socket_is_not_known(bound: Bound) -> None:
    (listener,) = bound("127.0.0.1:0")
    listener.close()
    assert listener.queued() is None
