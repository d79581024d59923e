"""Check values, and what is to change; tests/e2e drops privileges in real processes."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable
from pathlib import Path

import pytest

from corn_core.config import Config, Origin
from corn_core.errors import ConfigError
from corn_core.process.privileges import (
    NO_ID,
    SETTINGS,
    Identity,
    check_privileges,
    drop_privileges,
    give_file,
    parse_group,
    parse_umask,
    parse_user,
    warnings,
)
from corn_core.setting import Expected

ROOT = os.geteuid() == 0
OTHER = 54321
"""A user and a group that we are not."""


def config(**values: object) -> Config:
    """Make a configuration whose values were given by flags, and are parsed already."""
    settings = {setting.name: setting for setting in SETTINGS}
    defaults = {name: setting.default for name, setting in settings.items()}
    origins = {name: Origin("flag", f"--{name}") for name in settings}
    return Config(settings, {**defaults, **values}, origins)


# -- values --------------------------------------------------------------------------


def test_user_by_name_and_number() -> None:
    entry = pwd.getpwnam("daemon")
    assert parse_user("daemon") == parse_user(" daemon ") == entry.pw_uid
    assert parse_user(str(OTHER)) == parse_user(f" {OTHER} ") == parse_user(OTHER) == OTHER
    assert parse_user("0") == parse_user(0) == 0


def test_group_by_name_and_number() -> None:
    entry = grp.getgrnam("daemon")
    assert parse_group("daemon") == entry.gr_gid
    assert parse_group("54321") == parse_group(OTHER) == OTHER


@pytest.mark.parametrize("parse", [parse_user, parse_group])
@pytest.mark.parametrize(
    "raw", ["no-such-name", "a\0b", "-1", -1, NO_ID, str(NO_ID), "0x10", 1.0, True, ["root"]]
)
def test_bad_users_and_groups(parse: Callable[[object], int | None], raw: object) -> None:
    with pytest.raises(Expected, match=r"the (name or the )?number of a (user|group)"):
        parse(raw)


@pytest.mark.parametrize("name", ["user", "group"])
def test_nobody_in_particular(name: str) -> None:
    (setting,) = [setting for setting in SETTINGS if setting.name == name]
    assert setting.parse("") is setting.parse(None) is setting.default is None


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        *[("0022", 0o22), ("022", 0o22), (" 0077 ", 0o77), ("0", 0), ("0000", 0), (0, 0)],
        *[("0o27", 0o27), ("0x3f", 0o77), ("18", 0o22), (0o777, 0o777), ("0b111", 7)],
    ],
)
def test_umask(raw: object, value: int) -> None:
    assert parse_umask(raw) == value


@pytest.mark.parametrize("raw", ["", "rwx", "0888", "-1", -1, 0o1000, "1000", True, None, 1.0])
def test_bad_umask(raw: object) -> None:
    with pytest.raises(Expected, match="file mode bits from 0 to 0o777"):
        parse_umask(raw)


# -- what is to change ---------------------------------------------------------------


def test_nothing_changes_by_default() -> None:
    assert not Identity.of(config()).changes


def test_what_the_process_is_already_is_no_change() -> None:
    same = config(user=os.geteuid(), group=os.getegid())
    assert Identity.of(same) == Identity(None, None, None)
    check_privileges(same)
    drop_privileges(same)


def test_another_user_loses_the_groups_of_this_one() -> None:
    expected = () if os.getgroups() else None
    assert Identity.of(config(user=OTHER)) == Identity(OTHER, None, expected)


def test_another_group_alone_leaves_the_groups() -> None:
    assert Identity.of(config(group=OTHER)) == Identity(None, OTHER, None)


def test_initgroups_are_those_of_the_user_and_the_group() -> None:
    user = pwd.getpwnam("daemon")
    found = Identity.of(config(user=user.pw_uid, group=OTHER, initgroups=True)).groups
    assert found is not None
    assert sorted(found) == sorted(os.getgrouplist("daemon", OTHER))


def test_initgroups_without_group_have_the_users_own() -> None:
    user = pwd.getpwnam("daemon")
    found = Identity.of(config(user=user.pw_uid, initgroups=True)).groups
    assert found is not None and user.pw_gid in found


def test_initgroups_of_a_stranger() -> None:
    with pytest.raises(ConfigError, match=f"^initgroups: user {OTHER} has no entry"):
        Identity.of(config(user=OTHER, initgroups=True))


@pytest.mark.skipif(not ROOT, reason="only root may switch")
def test_checking_changes_nothing() -> None:
    before = (os.getresuid(), os.getresgid(), os.getgroups())
    check_privileges(config(user=OTHER, group=OTHER))
    assert (os.getresuid(), os.getresgid(), os.getgroups()) == before


@pytest.mark.skipif(ROOT, reason="root may switch")
def test_without_privileges() -> None:
    with pytest.raises(ConfigError, match=r"^user \(flag --user\): this process .* may not"):
        check_privileges(config(user=OTHER))


@pytest.mark.skipif(not ROOT, reason="the group of another user is not root's")
def test_warning() -> None:
    assert warnings(config(user=OTHER)) != []
    assert warnings(config(user=OTHER, group=OTHER)) == []
    assert warnings(config(user=0)) == warnings(config()) == []


# -- files ---------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "log").touch()
    return tmp_path / "log"


def give(path: Path, **values: object) -> tuple[int, int]:
    fd = os.open(path, os.O_WRONLY)
    try:
        give_file(fd, str(path), config(**values))
    finally:
        os.close(fd)
    status = path.stat()
    return status.st_uid, status.st_gid


@pytest.mark.skipif(not ROOT, reason="only root may give files away")
class TestGiving:
    def test_user_and_group(self, path: Path) -> None:
        assert give(path, user=OTHER, group=OTHER) == (OTHER, OTHER)

    def test_user_alone(self, path: Path) -> None:
        assert give(path, user=OTHER) == (OTHER, os.getegid())

    def test_group_that_somebody_chose(self, path: Path) -> None:
        os.chown(path, -1, 4)
        assert give(path, user=OTHER, group=OTHER) == (OTHER, 4)

    def test_from_one_user_to_the_next(self, path: Path) -> None:
        os.chown(path, 1000, 1000)
        assert give(path, user=OTHER, group=OTHER) == (OTHER, 1000)

    @pytest.mark.parametrize("values", [{}, {"user": os.geteuid()}, {"group": OTHER}])
    def test_no_other_user(self, path: Path, values: dict[str, object]) -> None:
        before = path.stat()
        assert give(path, **values) == (before.st_uid, before.st_gid)

    def test_symbolic_link(self, path: Path, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(path)
        assert give(tmp_path / "link", user=OTHER)[0] == os.geteuid()

    def test_hard_link(self, path: Path, tmp_path: Path) -> None:
        os.link(path, tmp_path / "link")
        assert give(tmp_path / "link", user=OTHER)[0] == os.geteuid()

    def test_file_that_another_has_replaced(self, path: Path, tmp_path: Path) -> None:
        fd = os.open(path, os.O_WRONLY)
        path.rename(tmp_path / "moved")
        path.touch()
        give_file(fd, str(path), config(user=OTHER))
        assert os.fstat(fd).st_uid == path.stat().st_uid == os.geteuid()
        os.close(fd)

    def test_file_that_is_gone(self, path: Path) -> None:
        fd = os.open(path, os.O_WRONLY)
        path.unlink()
        give_file(fd, str(path), config(user=OTHER))
        assert os.fstat(fd).st_uid == os.geteuid()
        os.close(fd)

    def test_no_regular_file(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "fifo")
        fd = os.open(tmp_path / "fifo", os.O_RDWR)
        give_file(fd, str(tmp_path / "fifo"), config(user=OTHER))
        assert os.fstat(fd).st_uid == os.geteuid()
        os.close(fd)
