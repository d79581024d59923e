"""The lines of the error log that a person reads at a terminal."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import pytest

from corn_core.logs.formatters import (
    WSGI_ERRORS,
    Addresses,
    ErrorFormatter,
    TerminalFormatter,
    fitting,
)
from corn_core.logs.logger import Logger
from corn_core.terminal import Style

PLAIN = TerminalFormatter(Style(colours=False))


def record(level: int, message: str, *args: Any, name: str = "corn.error") -> logging.LogRecord:
    return logging.LogRecord(name, level, "", 0, message, args, None)


@pytest.mark.parametrize(
    ("level", "line"),
    [
        (logging.INFO, "Booting"),
        (logging.DEBUG, "debug: Booting"),
        (logging.WARNING, "warning: Booting"),
        (logging.ERROR, "error: Booting"),
        (logging.CRITICAL, "critical: Booting"),
        (logging.WARNING + 1, "level 31: Booting"),
    ],
)
def test_line(level: int, line: str) -> None:
    assert re.fullmatch(rf"\d\d:\d\d:\d\d {line}", PLAIN.format(record(level, "Booting")))


def test_colours() -> None:
    formatter = TerminalFormatter(Style(colours=True))
    line = formatter.format(record(logging.WARNING, "full"))
    assert re.fullmatch(r"\033\[2m[\d:]{8}\033\[0m \033\[33mwarning:\033\[0m full", line)


def test_each_address_has_a_line() -> None:
    urls = Addresses("http://127.0.0.1:8000,unix:/run/corn.sock")
    lines = PLAIN.format(record(logging.INFO, "Listening at: %s (%s)", urls, 7)).splitlines()
    assert lines[0].endswith(" Listening at:")
    assert lines[1:] == [
        "         http://127.0.0.1:8000",
        "         unix:/run/corn.sock",
        "         Press Ctrl-C to stop",
    ]


def test_traceback_follows() -> None:
    try:
        raise ValueError("odd")
    except ValueError:
        one = record(logging.ERROR, "Error handling request")
        one.exc_info = sys.exc_info()
    lines = PLAIN.format(one).splitlines()
    assert lines[1].startswith("Traceback") and lines[-1] == "ValueError: odd"


def test_text_of_an_application_stays() -> None:
    assert PLAIN.format(record(logging.ERROR, "as it is", name=WSGI_ERRORS)) == "as it is"


class Own(ErrorFormatter):
    """A formatter that a logger class brings along."""


@pytest.mark.parametrize(
    ("formatter", "target", "kind"),
    [
        (ErrorFormatter(Logger.error_fmt), "-", TerminalFormatter),
        (ErrorFormatter(Logger.error_fmt), "error.log", ErrorFormatter),
        (ErrorFormatter("%(message)s"), "-", ErrorFormatter),
        (Own(Logger.error_fmt), "-", Own),
    ],
)
def test_who_gets_short_lines(
    formatter: logging.Formatter, target: str, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert type(fitting(formatter, target)) is kind
    monkeypatch.delenv("FORCE_COLOR")
    assert fitting(formatter, target) is formatter
