"""Helps tests that drop privileges: they need root, and a corn that other users can run."""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import stat
import sys
from pathlib import Path

import pytest

from corn_testkit.server import COMMAND

USER, GROUP = "nobody", "daemon"
"""They are on every system; a test wants two that do not belong together."""


def uid() -> int:
    return pwd.getpwnam(USER).pw_uid


def gid() -> int:
    return grp.getgrnam(GROUP).gr_gid


def closed_to_others(path: str) -> str | None:
    """Find the directory on the way to a path that other users may not enter."""
    for directory in (Path(path).resolve(), *Path(path).resolve().parents):
        if not stat.S_IMODE(directory.stat().st_mode) & stat.S_IXOTH:
            return str(directory)
    return None


def command_for_all(directory: Path) -> str:
    """Make a corn command that every user can run, in a directory; or skip the test.

    A Python in root's home directory is of no use to others. The system may have another one
    of that version, which can run the same packages.
    """
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    ours = [path for path in sys.path if path and not path.startswith(sys.base_prefix)]
    for path in (*ours, str(directory)):
        closed = closed_to_others(path)
        if closed is not None:
            pytest.skip(f"{USER} cannot enter {closed}")
    arguments = [COMMAND]
    if closed_to_others(sys.base_prefix) is not None:
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        found = [path for path in ("/usr/bin", "/usr/local/bin") if Path(path, version).exists()]
        if not found:
            pytest.skip(f"{USER} cannot run the {version} in {sys.base_prefix}")
        packages = f"PYTHONPATH={os.pathsep.join(ours)}"
        # Without the packages of that Python itself (-S), which may not go together with ours.
        arguments = ["/usr/bin/env", packages, f"{found[0]}/{version}", "-S", "-m", "corn_core"]
    return script(directory / "corn", *arguments)


def script(path: Path, *arguments: str) -> str:
    """Write a program that executes these and its own arguments."""
    path.write_text(f'#!/bin/sh\nexec {shlex.join(arguments)} "$@"\n')
    path.chmod(0o755)
    return str(path)
