"""Logging handlers that write each line with one system call."""

from __future__ import annotations

import logging
import os
import sys
from io import TextIOWrapper
from typing import Any, TextIO


def write_all(fd: int, data: bytes) -> None:
    """Write everything; in one call, unless the system takes less (a full disk or pipe)."""
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, data[written:])


def encode_line(text: str) -> bytes:
    # Lone surrogates, as in a file name that is not UTF-8, cannot be encoded: show them.
    return f"{text}\n".encode("utf-8", "backslashreplace")


class LogFile(logging.FileHandler):
    """A file that is appended to, and reopened in place after it was rotated.

    Several processes append to the same file, and one write in append mode is put at its
    end as a whole; so a line is written by one system call, past the stream's buffer.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path, mode="a", encoding="utf-8")
        self._retired = False

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.write_line(self.format(record))
        except Exception:
            # As every handler of the standard library does: logging must not break the program.
            # It prints what happened on standard error.
            self.handleError(record)

    def write_line(self, text: str) -> None:
        """Write a line; OSError when that fails."""
        stream = self.stream
        if stream is None:
            stream = self._open_again()
        write_all(stream.fileno(), encode_line(text))

    def reopen(self) -> None:
        """Open the path anew; OSError when that fails, and the file stays the old one."""
        stream = self._open()
        self.acquire()
        try:
            current = self.stream or self._open_again()
            # The new file takes the place of the old one under its descriptor: a thread that is
            # about to write needs no lock, for at no moment is the number anything else's.
            os.dup2(stream.fileno(), current.fileno(), inheritable=False)
        finally:
            self.release()
            stream.close()

    def _open_again(self) -> TextIOWrapper:
        """Open the file that was closed behind our back.

        Every application that configures logging does that: ``logging.config`` closes all
        handlers of the process, also those that it leaves in place.
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


class LogStream(logging.Handler):
    """Standard output or standard error, whatever Python's object for it is at the moment."""

    def __init__(self, name: str) -> None:
        """:param name: ``stdout`` or ``stderr``."""
        super().__init__()
        self.stream_name = name

    @property
    def stream(self) -> TextIO | None:
        """``sys.stdout`` or ``sys.stderr``; None in a process that was started without."""
        stream: TextIO | None = getattr(sys, self.stream_name)
        return stream

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.write_line(self.format(record))
        except Exception:
            # See LogFile.emit.
            self.handleError(record)

    def write_line(self, text: str) -> None:
        """Write a line; OSError when that fails."""
        stream = self.stream
        if stream is None:
            return
        # What was printed before comes first. The line itself goes past the buffer: what cannot
        # be written would stay there, to be tried again with the next line, and with the end of
        # the process, which makes it exit with status 120. An object that somebody put in the
        # place of the stream may have no descriptor.
        stream.flush()
        fd = _descriptor(stream)
        if fd is None:
            stream.write(f"{text}\n")
            stream.flush()
        else:
            write_all(fd, encode_line(text))

    def retire(self) -> None:
        """Nothing is opened, so there is nothing to close."""


LineHandler = LogFile | LogStream


def _descriptor(stream: Any) -> int | None:
    try:
        fd = stream.fileno()
    except (AttributeError, OSError, ValueError):
        return None
    return fd if isinstance(fd, int) else None


def make_handler(target: str, stream_name: str) -> LineHandler:
    """The handler for the value of a setting: a path, or ``-`` for a standard stream."""
    return LogStream(stream_name) if target == "-" else LogFile(target)
