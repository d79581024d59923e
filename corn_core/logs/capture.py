"""The setting ``capture_output``: sends the standard streams of the process to the error log."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from corn_core.process.output import flush_output

_originals: dict[int, int] = {}
# Copies of the standard streams' descriptors as they were; empty while nothing is captured. They
# belong to the process and not to a logger, of which a reload makes another one.


def capture_output(path: str) -> None:
    """Redirect standard output and error to the end of a file, for started programs too.

    :raises OSError: when the file cannot be opened; the streams are unchanged.
    """
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        flush_output()
        for stream in (1, 2):
            if stream not in _originals:
                # A stream that the process was started without has nothing to restore.
                with suppress(OSError):
                    _originals[stream] = os.dup(stream)
            os.dup2(fd, stream)
    finally:
        os.close(fd)
    # Python writes to files in blocks, and a worker that is killed would lose the last one.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)


def release_output() -> None:
    """Restore the streams, if they are captured."""
    if not _originals:
        return
    flush_output()
    for stream, copy in _originals.items():
        os.dup2(copy, stream)
        os.close(copy)
    _originals.clear()
