"""Looks at the files that a process has open, through /proc."""

from __future__ import annotations

import os


def open_files(pid: int) -> dict[int, str]:
    """Return a process's descriptors, each with its path or with text such as ``socket:[INODE]``.

    The process may open and close some meanwhile; what is closed before it is looked at is left
    out.

    :raises FileNotFoundError: when there is no such process.
    """
    found = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(fd)] = os.readlink(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:
            continue
    return found


def sockets_of(pid: int) -> set[str]:
    """Return the inodes of the sockets that a process has open."""
    targets = open_files(pid).values()
    return {target.removeprefix("socket:[").removesuffix("]") for target in targets}
