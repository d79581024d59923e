"""``daemon``: the server in the background, and how the command that starts it ends.

The process that was started, the launcher, stays in front of the terminal until the server in
the background has begun to serve, or has failed. It ends with status 0 only in the first case;
until then the server writes to the same standard error, so that what goes wrong is seen. A pipe
tells the launcher: it reads the pid, then a status, and then waits for the end of the pipe.

    launcher ── fork ── session leader ── fork ── server
                        ends at once              can get no terminal any more: only a session
                                                  leader that opens one is given it (setsid(2))
"""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

from corn_core.config import Config
from corn_core.process.output import flush_output
from corn_core.setting import Setting, boolean

SETTINGS = (
    Setting(
        name="daemon",
        section="Server Mechanics",
        parse=boolean,
        default=False,
        help=(
            "Run in the background, without a terminal. The command returns when all workers"
            " serve, with status 0, or when the server could not be started, with the status"
            " that says so. From then on, standard input, output and error are /dev/null: set"
            " errorlog. Leave it out under a supervisor such as systemd, which expects that the"
            " process it starts is the server."
        ),
        flags=("-D", "--daemon"),
        action="store_true",
    ),
    Setting(
        name="enable_stdio_inheritance",
        section="Server Mechanics",
        parse=boolean,
        default=False,
        help=(
            "Let a daemon keep its standard output and error where they were redirected to a"
            " file or a pipe; a terminal is let go all the same. Set PYTHONUNBUFFERED in the"
            " environment to have what the application prints written at once."
        ),
        flags=("-R", "--enable-stdio-inheritance"),
        action="store_true",
    ),
)


class Launch:
    """The server's side of its launch; without a pipe there is no launcher to tell.

    :param pipe: the launcher waits at the other end.
    :param inherit: keep standard output and error that are not a terminal.
    """

    def __init__(self, pipe: int | None = None, inherit: bool = False) -> None:
        self._pipe = pipe
        self._inherit = inherit

    def succeed(self) -> None:
        """Let go of the terminal, and let the launcher end: the server serves."""
        if self._pipe is not None:
            _let_go_of_streams(self._inherit)
            self._tell(0)
            self._hang_up()

    def fail(self, status: int, message: str = "") -> None:
        """Report the status with which the server ends; a message goes to standard error.

        The launcher waits for the pipe's end, which is the end of this process: so that all
        that it has to say is on the terminal before the prompt is.
        """
        if message and self._pipe is not None:
            print(f"error: {message}", file=sys.stderr, flush=True)
        # A server that was told to stop before it served has not failed, but does not run either.
        self._tell(status or 1)

    def leave(self) -> None:
        """Give up, in a worker, the terminal and the pipe that it has inherited."""
        if self._pipe is not None:
            _let_go_of_streams(self._inherit)
            self._hang_up()

    def _tell(self, number: int) -> None:
        if self._pipe is not None:
            try:
                os.write(self._pipe, b"%d\n" % number)
            except BrokenPipeError:
                return  # the launcher was killed; the server may live all the same

    def _hang_up(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None


def launch(config: Config) -> Launch:
    """Go into the background, if the configuration says so.

    Returns in the server only. The process that was started waits in here as the launcher, and
    exits in here.
    """
    if not config.daemon:
        return Launch()
    # What is buffered would be written by both processes.
    flush_output()
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        _wait(reading, child)
    os.close(reading)
    os.setsid()
    if os.fork():
        os._exit(0)
    # Never more open to others than what the command was started with, and never files that
    # every user may write to: at boot, daemons may be started without any umask.
    os.umask(os.umask(0o777) | 0o022)
    # A read from the terminal of another session fails with EIO.
    _redirect([0] if sys.__stdin__ is not None else [])
    server = Launch(writing, config.enable_stdio_inheritance)
    server._tell(os.getpid())
    return server


def _wait(pipe: int, child: int) -> NoReturn:
    """Wait, in the launcher, for the pipe's end, and exit as the last number on it says.

    By _exit(2), because what has been registered with atexit is the server's to do.
    """
    numbers = read_numbers(pipe)
    os.waitpid(child, 0)
    if len(numbers) < 2:
        print("error: the server ended before it could serve", file=sys.stderr, flush=True)
    os._exit(numbers[-1] if len(numbers) > 1 else 1)


def read_numbers(pipe: int) -> list[int]:
    """Read what the server tells its launcher, up to the pipe's end, and close the pipe.

    A Ctrl-C stops the server, which is in another session and has not got it. It is handled here,
    because KeyboardInterrupt could take away a number that was just read, and because it may come
    before the pid is known.
    """
    numbers: list[int] = []
    interrupted = False

    def stop(number: int, frame: object) -> None:
        nonlocal interrupted
        interrupted = True
        if numbers:
            _stop(numbers[0])

    # Not where it is ignored, as in the background of a shell without job control.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, stop)
    with open(pipe) as lines:
        for line in lines:
            numbers.append(int(line))
            if interrupted:
                _stop(numbers[0])
    return numbers


def _stop(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return  # it was faster


def _let_go_of_streams(inherit: bool) -> None:
    streams = {1: sys.__stdout__, 2: sys.__stderr__}
    # Where a stream was closed from the start, its number may be another file's by now.
    present = [fd for fd, stream in streams.items() if stream is not None]
    flush_output()
    _redirect([fd for fd in present if not inherit or os.isatty(fd)])


def _redirect(fds: list[int]) -> None:
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for fd in fds:
        os.dup2(null, fd)
    os.close(null)


def warnings(config: Config) -> list[str]:
    """Return what an operator should think about, though it works."""
    inherited = config.enable_stdio_inheritance and not os.isatty(2)
    if config.daemon and config.errorlog == "-" and not inherited:
        return ["daemon: errorlog is standard error, which a daemon does not have; name a file"]
    return []


def in_terminal() -> bool:
    """Tell whether this process gets what a terminal sends by itself, such as SIGWINCH.

    With a terminal as its standard input it may; in the foreground of its session's
    terminal it does, even if its standard input is something else.
    """
    if os.isatty(0):
        return True
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False  # there is none
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False  # it has hung up
    finally:
        os.close(terminal)
