"""The program that becomes the servers of a test run: it imports corn once, and forks for each.

The child is what the command would have been: it has the command's arguments, environment,
directory and descriptors, in a session of its own, and nothing of its parent's but modules. What
differs from a server that a user starts: the modules below are imported before its environment is
set, its parent is this process, ``/proc`` shows this program's command line until the master
has set its title, and the server and its workers end when their functions for the exit have run,
without taking each module apart. No thread runs here. The plugins that are installed are imported
here, disabled ones too, and so is what the variable CORN_TESTKIT_IMPORTS names, which it does for
the servers of a conformance run: importing the library that a worker is made of takes longer than
all that most tests do with the server.

It can run a module as ``python -m`` does, too, in the place of the command.

The tests say over a socket what to start: a head of four bytes with the size of the JSON behind
it, and with the head the descriptors for standard output, standard error, and for what is told of
the server: its process id in a line, and in another its exit status.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import select
import signal
import socket
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from stevedore import ExtensionManager

MODULES = ("corn_core.command",)
"""What a server imports before it knows which plugins there are; and what those import."""

IMPORTS = "CORN_TESTKIT_IMPORTS"
"""The variable with the names of more modules, separated by spaces; no server gets it."""

PATH = "PYTHONPATH"
"""The variable of the interpreter that the child does by itself, if this program has it not."""


class Ending:
    """Ends a server, or a worker of it, without the last part of what the interpreter does.

    That is to take apart each module and each object, whose memory has to be copied for it because
    it is shared with the fork server, and costs a quarter of a short test's time.
    """

    status = 1
    """Of a process that ends otherwise than by returning from the command: by an exception."""

    def register(self) -> None:
        """Register it with atexit; before anything else is, because it has to run last."""
        atexit.register(self._end)

    def _end(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            # A program may have closed or replaced either, and does not end for that.
            with suppress(AttributeError, OSError, ValueError):
                stream.flush()
        os._exit(self.status)


class ForkServer:
    """Forks for each server, and tells how each ends."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._running: dict[int, int] = {}
        self._woken, self._wake = socket.socketpair()
        for end in (self._woken, self._wake):
            end.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def run(self) -> list[str] | None:
        """Serve until the tests have ended. In each child it returns what that has to run."""
        while True:
            ready, _, _ = select.select([self._channel, self._woken], [], [])
            if self._woken in ready:
                with suppress(BlockingIOError):
                    self._woken.recv(4096)
                self._bury()
            if self._channel in ready:
                head, fds, _, _ = socket.recv_fds(self._channel, 4, 3)
                if not head:
                    self._close()
                    return None
                command = self._fork(self._receive(int.from_bytes(head, "big")), fds)
                if command:
                    return command

    def _receive(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._channel.recv(size - len(data))
            if not piece:
                raise SystemExit("the tests have ended in the middle of a request for a server")
            data += piece
        return data

    def _fork(self, asked: bytes, fds: list[int]) -> list[str] | None:
        pid = os.fork()
        if not pid:
            return self._become(asked, fds)
        stdout, stderr, self._running[pid] = fds
        os.close(stdout)
        os.close(stderr)
        return None

    def _become(self, asked: bytes, fds: list[int]) -> list[str]:
        """Make of this child what a new process would have been, but for the modules."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        stdout, stderr, tell = fds
        # Now, when signals may be sent to its process group.
        os.write(tell, b"%d\n" % os.getpid())
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        self._close()
        for fd in (*fds, *self._running.values()):
            os.close(fd)
        server = json.loads(asked)
        os.chdir(server["cwd"])
        path = server["env"].get(PATH)
        if path and path != os.environ.get(PATH):
            # Where the interpreter would have put it: after the directory of the command.
            sys.path[1:1] = map(os.path.abspath, path.split(os.pathsep))
            # There may be more to find.
            ExtensionManager.ENTRY_POINT_CACHE.clear()
        os.environ.clear()
        os.environ.update(server["env"])
        command: list[str] = server["command"]
        if command[0] == sys.executable:
            sys.argv = command[2:]
            sys.orig_argv = command
            sys.path[0] = server["cwd"]
        else:
            sys.argv = command
            sys.orig_argv = [sys.executable, *command]
            sys.path[0] = os.path.dirname(command[0])
        return command

    def _close(self) -> None:
        signal.set_wakeup_fd(-1)
        for end in (self._channel, self._woken, self._wake):
            end.close()

    def _bury(self) -> None:
        while self._running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            tell = self._running.pop(pid)
            with suppress(BrokenPipeError):
                os.write(tell, b"%d\n" % os.waitstatus_to_exitcode(status))
            os.close(tell)


def run_module() -> int:
    """Run the module that the command names: ``python -m MODULE``."""
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    return 0


def list_installed() -> list[EntryPoint]:
    """List what is installed for corn, where each server looks before it lists it by itself.

    :return: the entry points of plugins.
    """
    listed = ExtensionManager.ENTRY_POINT_CACHE
    installed = entry_points()
    for group in installed.groups:
        if group.startswith("corn."):
            listed[group] = list(installed.select(group=group))
    return listed["corn.plugins"]


def prepare() -> Callable[[], int]:
    """Import what every server does. Returns what the command calls."""
    with suppress(ImportError):
        from setproctitle import getproctitle

        # It looks for the place of the title, which it finds only as long as the environment is as
        # it was when the process began.
        getproctitle()
    with warnings.catch_warnings():
        # Those modules are named only if a server that imports them says nothing of it.
        warnings.simplefilter("ignore")
        for module in (*MODULES, *os.environ.get(IMPORTS, "").split()):
            import_module(module)
        for entry_point in list_installed():
            # If one cannot be imported, the servers say so, and why.
            with suppress(Exception, SystemExit):
                import_module(entry_point.module)
    (command,) = entry_points(group="console_scripts", name="corn")
    main: Callable[[], int] = command.load()
    return main


if __name__ == "__main__":
    ending = Ending()
    ending.register()
    main = prepare()
    command = ForkServer(socket.socket(fileno=int(sys.argv[1]))).run()
    if command is None:
        ending.status = 0
    else:
        try:
            ending.status = run_module() if command[0] == sys.executable else main()
        except SystemExit as leaving:
            if isinstance(leaving.code, int | None):
                ending.status = leaving.code or 0
            raise
