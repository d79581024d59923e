"""The user and group that workers run as, and what else has to be theirs then.

Only workers change: the master keeps what it was started with, because it has to open privileged
ports and root's log files again. The kernel drops capabilities and the way back together with
the user id, so the user comes last; setgroups(2) and setgid(2) are refused afterwards.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Callable
from dataclasses import dataclass

from corn_core.config import Config
from corn_core.errors import BootError, ConfigError
from corn_core.process.trial import failure_in_child
from corn_core.setting import Expected, Setting, boolean, optional

NO_ID = 2**32 - 1
"""(uid_t) -1, which means "no change" to the system calls, and so is not the number of any user."""


def _lookup(raw: object, what: str, find: Callable[[str], int]) -> int:
    if isinstance(raw, str) and raw.strip().isdecimal() and len(raw) <= 18:
        raw = int(raw)
    if isinstance(raw, str):
        try:
            return find(raw.strip())
        except (KeyError, ValueError):  # ValueError: a NUL in the name
            raise Expected(f"the number of a {what}, or the name of one that exists") from None
    if isinstance(raw, bool) or not isinstance(raw, int) or not 0 <= raw < NO_ID:
        raise Expected(f"the name or the number of a {what}")
    return raw


def parse_user(raw: object) -> int:
    """Parse a user's number or name; returns the number."""
    return _lookup(raw, "user", lambda name: pwd.getpwnam(name).pw_uid)


def parse_group(raw: object) -> int:
    """Parse a group's number or name; returns the number."""
    return _lookup(raw, "group", lambda name: grp.getgrnam(name).gr_gid)


def parse_umask(raw: object) -> int:
    """Parse file mode bits; text is decimal, 0x, 0o, 0b, or octal when it begins with a zero."""
    expected = "file mode bits from 0 to 0o777, such as 0022, 0o22 or 18"
    if isinstance(raw, str):
        text = raw.strip()
        # int(text, 0) refuses the leading zero of C and of the shell.
        base = 8 if text.isdecimal() and text.startswith("0") else 0
        try:
            raw = int(text, base)
        except ValueError:
            raise Expected(expected) from None
    if isinstance(raw, bool) or not isinstance(raw, int) or not 0 <= raw <= 0o777:
        raise Expected(expected)
    return raw


SETTINGS = (
    Setting(
        name="user",
        section="Server Mechanics",
        parse=optional(parse_user),
        default=None,
        help=(
            "The user that workers run as, by name or number. They switch to it before they load"
            " the application, and keep no other rights; the master stays what it is. Only root"
            " may name another user than the one that starts the server. HOME and other"
            " variables stay as they are. Log files and unix sockets are given to the user."
        ),
        flags=("-u", "--user"),
        metavar="USER",
        default_text="the user that starts the server",
    ),
    Setting(
        name="group",
        section="Server Mechanics",
        parse=optional(parse_group),
        default=None,
        help=(
            "The group that workers run as, by name or number. Without it they keep the"
            " master's, also when user is set: set both."
        ),
        flags=("-g", "--group"),
        metavar="GROUP",
        default_text="the group that starts the server",
    ),
    Setting(
        name="initgroups",
        section="Server Mechanics",
        parse=boolean,
        default=False,
        help=(
            "Give workers all the groups of which user is a member. Without it, workers of"
            " another user than the master's have no group but group: root's are taken away."
        ),
        flags=("--initgroups",),
        action="store_true",
    ),
    Setting(
        name="umask",
        section="Server Mechanics",
        parse=parse_umask,
        default=0,
        help=(
            "The mode bits that unix sockets do not get. A client needs write permission to"
            " connect: with 0 all users may, with 0007 the owner and the group, with 0077 the"
            " owner alone. Files of the application follow the umask that the server was"
            " started with."
        ),
        flags=("-m", "--umask"),
        metavar="INT",
    ),
)


@dataclass(frozen=True, slots=True)
class Identity:
    """The changes to a worker's identity; None for what stays.

    :param groups: the supplementary groups.
    """

    uid: int | None
    gid: int | None
    groups: tuple[int, ...] | None

    @classmethod
    def of(cls, config: Config) -> Identity:
        """Compare what the configuration asks for with this process as it is now.

        :raises ConfigError: when ``initgroups`` is set and the user is in no database.
        """
        uid: int | None = config.user
        gid: int | None = config.group
        if uid is not None and {uid} == {os.getuid(), os.geteuid()}:
            uid = None
        if gid is not None and {gid} == {os.getgid(), os.getegid()}:
            gid = None
        groups: tuple[int, ...] | None = None
        if config.initgroups:
            groups = _groups_of(os.geteuid() if config.user is None else config.user, config.group)
        elif uid is not None:
            groups = ()
        if groups is not None and set(groups) == set(os.getgroups()):
            groups = None
        return cls(uid, gid, groups)

    @property
    def changes(self) -> bool:
        return (self.uid, self.gid, self.groups) != (None, None, None)

    def assume(self) -> None:
        """Become that; there is no way back.

        :raises OSError: when this process may not, perhaps with part of it done.
        """
        # The user last: without root's rights, the other two are refused.
        if self.groups is not None:
            os.setgroups(self.groups)
        if self.gid is not None:
            os.setgid(self.gid)
        if self.uid is not None:
            os.setuid(self.uid)

    def __str__(self) -> str:
        parts = (("user", self.uid), ("group", self.gid), ("groups", self.groups))
        return ", ".join(f"{name} {value}" for name, value in parts if value is not None)


def _groups_of(uid: int, gid: int | None) -> tuple[int, ...]:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise ConfigError(f"initgroups: user {uid} has no entry that says its groups") from None
    return tuple(os.getgrouplist(entry.pw_name, entry.pw_gid if gid is None else gid))


def check_privileges(config: Config) -> None:
    """Find out whether workers will be able to switch, before anything else is done.

    Another process tries it. The user id alone does not tell: root of a container may lack
    the capabilities, and some other user may have them.

    :raises ConfigError: when they will not.
    """
    identity = Identity.of(config)
    if not identity.changes:
        return
    reason = failure_in_child(identity.assume)
    if reason is None:
        return
    asked = [name for name in ("user", "group") if getattr(config, name) is not None]
    asked += ["initgroups"] if config.initgroups else []
    names = [f"{name} ({config.origin(name)})" for name in asked]
    raise ConfigError(
        f"{' and '.join(names)}: this process (user {os.geteuid()}) may not switch to"
        f" {identity}: {reason}; start the server as root, or leave the setting out"
    )


def drop_privileges(config: Config) -> None:
    """Let this process, a worker, become what the configuration says.

    :raises BootError: when it may not, though :func:`check_privileges` has found no obstacle.
    """
    identity = Identity.of(config)
    try:
        identity.assume()
    except OSError as error:
        raise BootError(f"the worker cannot switch to {identity}: {error.strerror}") from None


def warnings(config: Config) -> list[str]:
    """Return what an operator should think about, though it works."""
    if config.user and config.group is None and os.getegid() == 0:
        return ["user is set and group is not: workers keep the group of root; set group as well"]
    return []


def give_file(fd: int, path: str, config: Config) -> None:
    """Make the worker's user the owner of an open file, so that it can open the path again.

    The group changes only if it is the master's own: another one has been set on purpose.

    A user who may write to the directory could put a link to one of root's files there, to be
    given that file. So only a regular file is given away, and one that has this path alone.
    """
    if config.user is None or config.user == os.geteuid():
        return
    status = os.fstat(fd)
    gid = config.group if config.group is not None and status.st_gid == os.getegid() else -1
    if status.st_uid == config.user and gid == -1:
        return
    try:
        there = os.lstat(path)
        alone = (there.st_dev, there.st_ino, there.st_nlink) == (status.st_dev, status.st_ino, 1)
        if alone and stat.S_ISREG(status.st_mode):
            os.fchown(fd, config.user, gid)
    except OSError:
        # It is gone, or on a file system that knows no owners. A worker that cannot open it
        # reports that when it has to; nothing depends on it before.
        return
