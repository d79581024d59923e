"""Starts a program as a service manager does that passes sockets to it.

    python activation.py FD,FD,... [NAME:NAME:...] -- PROGRAM ARGUMENT...

The sockets, which this program must have inherited, become the descriptors from 3 on, and
the variables of sd_listen_fds(3) are set. ``systemd-socket-activate`` does the same for sockets
that it opens itself.
"""

from __future__ import annotations

import fcntl
import os
import sys

FIRST = 3


def main(arguments: list[str]) -> None:
    options, program = arguments[: arguments.index("--")], arguments[arguments.index("--") + 1 :]
    fds = [int(fd) for fd in options[0].split(",")]
    # Out of the way first: one of them may have a number that another is to get.
    above = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FIRST + 2 * len(fds)) for fd in fds]
    for fd in fds:
        os.close(fd)
    for number, fd in enumerate(above, FIRST):
        os.dup2(fd, number)
    os.environ.update(LISTEN_FDS=str(len(fds)), LISTEN_PID=str(os.getpid()))
    if options[1:]:
        os.environ["LISTEN_FDNAMES"] = options[1]
    os.execvp(program[0], program)


if __name__ == "__main__":
    main(sys.argv[1:])
