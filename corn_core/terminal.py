"""Decides whether a stream is read by a person at a terminal, and colours text for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple, TextIO

BOLD, DIM, RED, YELLOW, CYAN = "1", "2", "31", "33", "36"


class Style(NamedTuple):
    """Says how text is written for a person.

    :param colours: whether escape sequences may be used.
    """

    colours: bool

    def paint(self, text: str, *codes: str) -> str:
        """Return the text in these colours, or as it is where colours are off."""
        return f"\033[{';'.join(codes)}m{text}\033[0m" if self.colours else text


def style(stream: TextIO | None, environ: Mapping[str, str]) -> Style | None:
    """Return the style for a stream, or None unless a person reads it as it is written.

    ``NO_COLOR`` turns colours off (no-color.org), and ``FORCE_COLOR`` treats any stream as a
    terminal; a variable without text counts as not set, and the first of them decides.
    """
    plain, forced = bool(environ.get("NO_COLOR")), bool(environ.get("FORCE_COLOR"))
    if forced and not plain:
        return Style(colours=True)
    # Process 1 runs in a container, whose log is collected, also when it has a terminal.
    if not _is_terminal(stream) or os.getpid() == 1:
        return None
    return Style(colours=not plain and environ.get("TERM") != "dumb")


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except (AttributeError, ValueError):
        # An object that takes the stream's place, or a stream that has been closed.
        return False
