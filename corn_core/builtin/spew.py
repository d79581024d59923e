"""``spew``: print every line that a worker executes."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from types import FrameType
from typing import Any

from corn_core import hookimpl
from corn_core.setting import Setting, boolean

SETTINGS = (
    Setting(
        name="spew",
        section="Debugging",
        parse=boolean,
        default=False,
        help=(
            "Print each line of Python that a worker executes to standard output, as"
            " MODULE:NUMBER: LINE, from its boot on. This is the last resort: a worker is many"
            " times slower with it."
        ),
        flags=("--spew",),
        action="store_true",
    ),
)


@hookimpl
def post_fork() -> None:
    """Begin to print, in this thread and in those that start from now on."""
    if sys.__stdout__ is None:
        return  # the server was started without, and its number may be another file's by now
    import linecache  # lazy: for this only; it imports the tokenizer

    out = 1  # not sys.stdout: what is in its buffer when the worker is killed would be lost

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        if event == "line":
            number, names = frame.f_lineno, frame.f_globals
            # The globals are for modules that are not files, such as those in a zip archive.
            line = linecache.getline(frame.f_code.co_filename, number, names)
            name = names.get("__name__") or frame.f_code.co_filename
            text = f"{name}:{number}: {line.rstrip()}\n"
            try:
                os.write(out, text.encode(errors="backslashreplace"))
            except OSError:
                # The reader is gone. An exception would come up in the code that is traced.
                sys.settrace(None)
                return None
        return trace

    # When the interpreter takes its modules apart, nothing is left to print with.
    atexit.register(sys.settrace, None)
    threading.settrace(trace)
    sys.settrace(trace)
