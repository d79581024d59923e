"""Standard output and standard error, which may be broken or full while the server goes on."""

from __future__ import annotations

import io
import sys
from typing import TextIO


def print_answer(text: str) -> None:
    """Print what a command was asked for, to a reader that may leave early, as ``head`` does.

    :param text: one or several lines.
    """
    try:
        print(text.removesuffix("\n"), flush=True)
    except BrokenPipeError:
        _drop(sys.stdout)


def flush_output() -> None:
    """Write what is buffered for standard output and error; what cannot be written is dropped.

    A stream that keeps it fails again with each flush: before every fork, and at the end of the
    interpreter, whose exit status is 120 then. A forked process would try to write its copy too.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            continue
        try:
            stream.flush()
        except OSError:
            _drop(stream)
        except ValueError:
            continue  # the application has closed it


def _drop(stream: TextIO) -> None:
    buffer = getattr(stream, "buffer", None)
    if isinstance(buffer, io.BufferedWriter):
        # There is no method for it. To detach the raw file, or to close the stream, is to flush
        # first; making the object anew around the same raw file begins with an empty buffer.
        buffer.__init__(buffer.raw)  # type: ignore[misc]
