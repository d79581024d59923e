"""Handlers: those that the settings ask for, and what is done to every open log file."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import stat
import sys
from array import array
from collections.abc import Callable, Iterable
from io import TextIOWrapper
from select import PIPE_BUF, POLLOUT, poll
from termios import FIONREAD
from typing import Any, TextIO
from weakref import WeakSet

from corn_core.config import Config
from corn_core.errors import CornError, SettingError
from corn_core.logs.logconfig import all_loggers
from corn_core.process.privileges import give_file

F_GETPIPE_SZ: int | None = getattr(fcntl, "F_GETPIPE_SZ", None)
"""Asks for the size of a pipe (Linux)."""

PATIENCE = 1.0
"""Seconds to wait for room in a standard stream, unless the last wait was in vain."""


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write everything, in one call unless the system takes less (a full disk or pipe)."""
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, data[written:])


def encode_line(text: str) -> bytes:
    # Lone surrogates, as in a file name that is not UTF-8, cannot be encoded: show them.
    return f"{text}\n".encode("utf-8", "backslashreplace")


class LineHandler(logging.Handler):
    """Writes each record as a line, and goes on when that fails.

    Lines that cannot be written are counted, and the count is logged when the next one can be.
    """

    lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
        except Exception:
            # Broad, as in every handler of the standard library: logging must not break the
            # program. It prints what happened on standard error.
            self.handleError(record)
            return
        try:
            self.write_line(text)
        except (OSError, ValueError) as error:  # ValueError: the stream has been closed
            self.lost += 1
            if self.lost == 1:
                self.report_loss(error)
            return
        if self.lost:
            lost, self.lost = self.lost, 0
            self.emit(_record_of_loss(lost))

    def write_line(self, text: str) -> None:
        """Write a line.

        :raises OSError: when that fails.
        """
        raise NotImplementedError

    def report_loss(self, error: Exception) -> None:
        """Say elsewhere that lines begin to be lost."""


def _record_of_loss(lost: int) -> logging.LogRecord:
    text, count = "Lines lost before this one, which could not be written: %s", (lost,)
    return logging.LogRecord("corn.error", logging.WARNING, __file__, 0, text, count, None)


class LogFile(LineHandler, logging.FileHandler):
    """Appends to a file, which can be reopened in place after it was rotated.

    Several processes append to the same file, and the kernel puts one write in append mode at its
    end as a whole. So a line is written by one system call, bypassing the stream's buffer.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path, mode="a", encoding="utf-8")
        self._retired = False

    def write_line(self, text: str) -> None:
        stream = self.stream
        if stream is None:
            stream = self._open_again()
        fd = stream.fileno()
        # As in encode_line() and write_all(), which would be two more calls for each request.
        line = f"{text}\n".encode("utf-8", "backslashreplace")
        written = os.write(fd, line)
        if written < len(line):
            write_all(fd, line[written:])

    def report_loss(self, error: Exception) -> None:
        """Say it on standard error, if that can be written."""
        try:
            LogStream("stderr").write_line(f"error: cannot write {self.baseFilename}: {error}")
        except (OSError, ValueError):
            return  # there is no other place

    def reopen(self) -> None:
        """Open the path again.

        :raises OSError: when that fails; the file is still the old one.
        """
        stream = self._open()
        self.acquire()
        try:
            current = self.stream or self._open_again()
            # The new file takes the place of the old one under its descriptor: a thread that is
            # about to write needs no lock, because the number is never anything else's.
            os.dup2(stream.fileno(), current.fileno(), inheritable=False)
        finally:
            self.release()
            stream.close()

    def _open_again(self) -> TextIOWrapper:
        """Open the file that was closed behind our back.

        Every application that configures logging does so: ``logging.config`` closes all handlers
        of the process, including those that it leaves in place.
        """
        self.acquire()
        try:
            if self._retired:
                raise OSError(f"{self.baseFilename} is closed")
            if self.stream is None:
                self.stream = self._open()
            return self.stream
        finally:
            self.release()

    def retire(self) -> None:
        """Close the file for good."""
        self._retired = True
        self.close()


class LogStream(LineHandler):
    """Writes to standard output or standard error, whatever object Python has for it now.

    It may be a pipe that is not read any more, or a terminal that is held: a write would wait for
    ever, and the master's next signal with it. So it waits a moment for room, and then gives the
    line up. As long as there is no room, further lines are given up at once.
    """

    def __init__(self, name: str) -> None:
        """:param name: ``stdout`` or ``stderr``."""
        super().__init__()
        self.stream_name = name
        self._patience = PATIENCE

    @property
    def stream(self) -> TextIO | None:
        """``sys.stdout`` or ``sys.stderr``; None in a process that was started without it."""
        stream: TextIO | None = getattr(sys, self.stream_name)
        return stream

    def write_line(self, text: str) -> None:
        stream = self.stream
        if stream is None:
            return
        fd = _descriptor(stream)
        if fd is not None:
            self._wait_for_room(fd)
        # What was printed before comes first. The line itself bypasses the buffer: what cannot be
        # written would stay there, to be tried again with the next line, and at the end of the
        # process, which then exits with status 120. An object that replaces the stream may have
        # no descriptor.
        stream.flush()
        if fd is None:
            stream.write(f"{text}\n")
            stream.flush()
            return
        line = memoryview(encode_line(text))
        # A pipe that has room takes PIPE_BUF without waiting (pipe(7)).
        whole = len(line) <= PIPE_BUF or _takes(fd, len(line))
        size = len(line) if whole else PIPE_BUF
        write_all(fd, line[:size])
        for start in range(size, len(line), size):
            self._wait_for_room(fd)
            write_all(fd, line[start : start + size])

    def _wait_for_room(self, fd: int) -> None:
        poller = poll()
        poller.register(fd, POLLOUT)
        if poller.poll(self._patience * 1000):
            self._patience = PATIENCE
        else:
            self._patience = 0.0
            raise BlockingIOError(errno.EAGAIN, "it is full, and is not being read")


def _descriptor(stream: Any) -> int | None:
    try:
        fd = stream.fileno()
    except (AttributeError, OSError, ValueError):
        return None
    return fd if isinstance(fd, int) else None


def _takes(fd: int, count: int) -> bool:
    """Tell whether so much can be written in one call, which waits for nothing."""
    if not stat.S_ISFIFO(os.fstat(fd).st_mode):
        return True
    if F_GETPIPE_SZ is None:
        return False
    # Two pages that follow each other hold more than one page of octets, or they would be one.
    queued = array("i", [0])
    fcntl.ioctl(fd, FIONREAD, queued)
    return 2 * queued[0] + count + PIPE_BUF <= fcntl.fcntl(fd, F_GETPIPE_SZ)


# -- of a configuration --------------------------------------------------------------


AddHandlers = Callable[["Config", str], Iterable[logging.Handler]]
"""Makes the handlers that plugins add to a log, ``error`` or ``access``."""


def add_none(config: Config, log: str) -> tuple[()]:
    """Add nothing, as before there are plugins."""
    return ()


# Like the loggers, both belong to the process and not to a Logger object, of which a reload makes
# another one.
_add: AddHandlers = add_none
_own: WeakSet[logging.Handler] = WeakSet()


def let_add(add: AddHandlers) -> None:
    """Ask for more handlers whenever the logs of a configuration are opened."""
    global _add
    _add = add


class Outlets:
    """The handlers of one configuration, opened but not yet in use.

    :param added: the formatter of handlers that plugins add without one of their own.
    :raises CornError: when a file cannot be appended to, or a plugin fails; nothing is left open.
    """

    def __init__(
        self,
        config: Config,
        error: logging.Formatter,
        access: logging.Formatter,
        added: logging.Formatter,
    ) -> None:
        self.error: list[logging.Handler] = []
        self.access: list[logging.Handler] = []
        try:
            self.error.append(_line_handler(config, "errorlog", "stderr", error))
            if config.accesslog:
                self.access.append(_line_handler(config, "accesslog", "stdout", access))
            self.error += _add(config, "error")
            self.access += _add(config, "access")
        except CornError:
            for handler in (*self.error, *self.access):
                close(handler)
            raise
        for handler in (own := [*self.error, *self.access]):
            if handler.formatter is None:
                handler.setFormatter(added)
        _own.update(own)


def _line_handler(
    config: Config, name: str, stream_name: str, formatter: logging.Formatter
) -> LineHandler:
    target = getattr(config, name)
    try:
        handler = LogStream(stream_name) if target == "-" else LogFile(target)
    except OSError as error:
        raise refusal(config, name, f"a file to append to ({error.strerror})") from None
    handler.setFormatter(formatter)
    return handler


def refusal(config: Config, name: str, expected: str) -> SettingError:
    """Make the error about the value of a setting."""
    value = config.settings[name].shown(getattr(config, name))
    return SettingError(name, expected, value, str(config.origin(name)))


def exchange(log: logging.Logger, handlers: list[logging.Handler]) -> list[logging.Handler]:
    """Replace the server's own handlers of a logger, and return the old ones."""
    log.propagate = False
    old = [one for one in log.handlers if one in _own and one not in handlers]
    for new in handlers:
        log.addHandler(new)
    for one in old:
        log.removeHandler(one)
    return old


def close(handler: logging.Handler) -> None:
    """Close a handler that is no longer used."""
    if isinstance(handler, LogFile):
        handler.retire()
    else:
        handler.close()


# -- all log files -------------------------------------------------------------------


def file_handlers() -> set[logging.FileHandler]:
    """Return the file handlers of all loggers of the process."""
    handlers = (handler for log in all_loggers() for handler in log.handlers)
    return {handler for handler in handlers if isinstance(handler, logging.FileHandler)}


def reopen(handler: logging.FileHandler) -> None:
    """Open a log file again after it was rotated.

    :raises OSError: when that fails; the file is still the old one.
    """
    if isinstance(handler, LogFile):
        handler.reopen()
        return
    handler.acquire()
    try:
        if handler.stream is not None:
            # The new one first: if it cannot be opened, the old one stays in use.
            old, handler.stream = handler.stream, handler._open()
            old.close()
    finally:
        handler.release()


def give_log_files(config: Config) -> None:
    """Give every open log file to the user that workers run as, the application's files too.

    A worker that has dropped its privileges can then reopen them when they are rotated. The
    master calls it each time that it has opened log files.
    """
    for handler in file_handlers():
        if handler.stream is not None:
            give_file(handler.stream.fileno(), handler.baseFilename, config)
