"""Reads what the kernel says about the cgroups that this process is in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

MEMBERSHIP = "/proc/self/cgroup"
ROOT = "/sys/fs/cgroup"


class Cgroup(NamedTuple):
    """A cgroup that this process is in.

    In a container, the path that we are told may be the host's, and then our own cgroup is what
    is mounted at the root.

    :param version: 1 or 2.
    :param root: where its hierarchy is mounted.
    :param path: its path below that, beginning with a slash.
    """

    version: int
    root: str
    path: str


def cgroups(controller: str, membership: str, root: str) -> Iterator[Cgroup]:
    """Yield our cgroups that may have files of a controller, such as ``cpu`` or ``memory``."""
    for line in read(membership).splitlines():
        controllers, _, path = line.partition(":")[2].partition(":")
        if not controllers:
            yield Cgroup(2, root, path)
        elif controller in controllers.split(","):
            yield Cgroup(1, f"{root}/{controller}", path)


def read(path: str) -> str:
    """Return the text of a file; empty when there is no such cgroup, or no such system."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
