"""Say what two masters of one server may do while there are two of them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from corn_core.arbiter.peer import PeerMaster
from corn_core.errors import BindError
from corn_core.net import Listener, UnixAddress
from corn_core.process.handover import Handover

OTHER = 4711


def listener(path: Path) -> Listener:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    sock.listen()
    return Listener(UnixAddress(str(path)), sock)


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Listener]:
    made = listener(tmp_path / "socket")
    yield made
    made.close()


def handed_over(ours: Listener) -> Handover:
    """Make what a master would hand over, with a copy of the descriptor as the other has one."""
    return Handover(OTHER, ((os.dup(ours.fileno()), str(ours.address)),))


def path_of(ours: Listener) -> Path:
    return Path(str(ours.address).removeprefix("unix:"))


def test_a_single_master() -> None:
    peer = PeerMaster()
    assert peer.refusal == "" and peer.alone
    assert peer.role == "master"
    assert peer.pidfile_path("/run/pid") == "/run/pid"


def test_the_old_master() -> None:
    peer = PeerMaster()
    peer.successor = OTHER
    assert f"the new master (pid:{OTHER})" in peer.refusal and not peer.alone
    assert peer.role == "master"
    assert peer.pidfile_path("/run/pid") == "/run/pid"
    peer.aside = True
    assert peer.pidfile_path("/run/pid") == "/run/pid.oldbin"
    assert peer.pidfile_path(None) is None
    peer.part()
    assert peer.refusal == "" and peer.alone
    assert peer.pidfile_path("/run/pid") == "/run/pid"


def test_the_new_master(tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    pidfile.write_text(f"{OTHER}\n")
    peer = PeerMaster()
    peer.inherit(Handover(OTHER, ()))
    assert f"the old one (pid:{OTHER})" in peer.refusal and not peer.alone
    assert peer.role == "master.2"
    assert peer.pidfile_path(str(pidfile)) == f"{pidfile}.2"
    assert peer.pidfile_path(None) is None
    peer.part()
    assert peer.role == "master" and peer.alone
    assert peer.pidfile_path(str(pidfile)) == str(pidfile)


@pytest.mark.parametrize("text", [None, "", "1\n", "no number", "\xff"])
def test_the_new_master_needs_no_other_name_when_the_old_one_makes_room(
    tmp_path: Path, text: str | None
) -> None:
    pidfile = tmp_path / "pid"
    if text is not None:
        pidfile.write_text(text)
    peer = PeerMaster()
    peer.inherit(Handover(OTHER, ()))
    assert peer.pidfile_path(str(pidfile)) == str(pidfile)


def test_shared_sockets_keep_their_paths(ours: Listener) -> None:
    peer = PeerMaster()
    peer.share([ours])
    ours.unlink()
    assert path_of(ours).exists()
    peer.part()
    assert path_of(ours).exists()
    ours.unlink()
    assert not path_of(ours).exists()


def test_what_was_closed_meanwhile_is_removed_afterwards(ours: Listener) -> None:
    peer = PeerMaster()
    peer.share([ours])
    ours.close()
    peer.part()
    assert not path_of(ours).exists()


def test_the_last_of_two_that_end_at_once_removes_the_path(ours: Listener) -> None:
    old, new = PeerMaster(), PeerMaster()
    (theirs,) = new.inherit(handed_over(ours))
    old.share([ours])
    ours.close()
    old.close()
    assert path_of(ours).exists()
    theirs.close()
    new.close()
    assert not path_of(ours).exists()


def test_inherited_sockets_are_shared_and_not_passed_on(ours: Listener) -> None:
    (theirs,) = PeerMaster().inherit(handed_over(ours))
    assert theirs.address == ours.address and theirs.url == ours.url
    assert not os.get_inheritable(theirs.fileno())
    theirs.unlink()
    assert path_of(ours).exists()
    theirs.close()


def test_a_socket_that_nobody_can_find_is_not_listened_on(ours: Listener) -> None:
    path_of(ours).unlink()
    assert PeerMaster().inherit(handed_over(ours)) == []


def test_a_descriptor_that_is_no_socket() -> None:
    with open(os.devnull) as file, pytest.raises(BindError, match=r"^cannot listen on unix:x: "):
        PeerMaster().inherit(Handover(OTHER, ((file.fileno(), "unix:x"),)))


def test_an_address_that_is_none(ours: Listener) -> None:
    with pytest.raises(BindError, match=r"^cannot listen on gopher://x: "):
        PeerMaster().inherit(Handover(OTHER, ((ours.fileno(), "gopher://x"),)))
