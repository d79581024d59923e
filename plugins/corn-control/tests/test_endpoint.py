"""The path and the socket: who may connect, what is replaced, and what is left alone."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from corn_control.endpoint import SUCCESSOR, Endpoint, hand_over
from corn_core.plugin import BindError


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    made = Endpoint(str(tmp_path / "control"))
    yield made
    if made.fileno() >= 0:
        made.close()


def answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        return True


def test_only_the_owner_may_connect(endpoint: Endpoint, tmp_path: Path) -> None:
    status = os.stat(endpoint.path)
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert status.st_uid == os.geteuid()
    assert answers(tmp_path / "control")
    assert os.listdir(tmp_path) == ["control"]
    endpoint.close()
    assert os.listdir(tmp_path) == []


def test_the_umask_is_as_it_was(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        Endpoint(str(tmp_path / "control")).close()
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)


def test_it_is_not_inherited(endpoint: Endpoint) -> None:
    assert not os.get_inheritable(endpoint.fileno())


def test_what_a_dead_server_has_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "control"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    assert not answers(path)
    endpoint = Endpoint(str(path))
    assert answers(path)
    endpoint.close()


def test_a_server_that_lives_is_left_alone(endpoint: Endpoint, tmp_path: Path) -> None:
    with pytest.raises(BindError, match="another server answers there"):
        Endpoint(endpoint.path)
    assert endpoint.ours and os.listdir(tmp_path) == ["control"]


def test_a_server_that_hangs_is_left_alone(tmp_path: Path) -> None:
    path = str(tmp_path / "control")
    waiting = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(3)]
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as busy:
        busy.bind(path)
        busy.listen(0)
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(path)
        with pytest.raises(BindError, match="another server answers there"):
            Endpoint(path)
    for each in waiting:
        each.close()


def test_a_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "control").write_text("precious")
    with pytest.raises(BindError, match="exists and is not a socket"):
        Endpoint(str(tmp_path / "control"))
    assert (tmp_path / "control").read_text() == "precious"


@pytest.mark.parametrize("path", ["nowhere/control", "x" * 200], ids=["nowhere", "long"])
def test_a_path_that_cannot_be_used(tmp_path: Path, path: str) -> None:
    with pytest.raises(BindError, match="control: cannot listen on"):
        Endpoint(str(tmp_path / path))
    assert os.listdir(tmp_path) == []


def test_the_successor_takes_the_path(endpoint: Endpoint, tmp_path: Path) -> None:
    successor = Endpoint(endpoint.path + SUCCESSOR)
    hand_over(successor.path, endpoint.path)  # as the old master does at its end
    endpoint.close()
    assert answers(tmp_path / "control")
    successor.move(endpoint.path)
    assert successor.ours
    successor.close()
    assert os.listdir(tmp_path) == []


def test_the_successor_of_a_master_that_was_killed(endpoint: Endpoint, tmp_path: Path) -> None:
    successor = Endpoint(endpoint.path + SUCCESSOR)
    endpoint.socket.close()
    successor.move(endpoint.path)
    assert answers(tmp_path / "control")
    successor.close()
    assert os.listdir(tmp_path) == []


def test_there_may_be_no_successor_at_the_path(endpoint: Endpoint, tmp_path: Path) -> None:
    hand_over(endpoint.path + SUCCESSOR, endpoint.path)
    assert endpoint.ours
