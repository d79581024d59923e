"""Deciding who reads a stream, on real terminals."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator

import pytest

from corn_core.terminal import BOLD, RED, Style, style


@pytest.fixture
def terminal() -> Iterator[io.TextIOWrapper]:
    near, far = os.openpty()
    with open(far, "w") as stream:
        yield stream
    os.close(near)


@pytest.mark.parametrize(
    ("environ", "colours"),
    [
        ({}, True),
        ({"TERM": "dumb"}, False),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True),
    ],
)
def test_terminal(terminal: io.TextIOWrapper, environ: dict[str, str], colours: bool) -> None:
    assert style(terminal, environ) == Style(colours)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"TERM": "xterm-256color"}, None),
        ({"FORCE_COLOR": "1"}, Style(colours=True)),
        ({"FORCE_COLOR": ""}, None),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, None),
    ],
)
def test_anything_else(environ: dict[str, str], expected: Style | None) -> None:
    assert style(io.StringIO(), environ) == expected
    assert style(None, environ) == expected


def test_process_1_writes_for_a_collector(
    terminal: io.TextIOWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 1)
    assert style(terminal, {}) is None
    assert style(terminal, {"FORCE_COLOR": "1"}) == Style(colours=True)


def test_stream_that_was_closed() -> None:
    stream = io.StringIO()
    stream.close()
    assert style(stream, {}) is None


def test_paint() -> None:
    assert Style(colours=True).paint("x", BOLD, RED) == "\033[1;31mx\033[0m"
    assert Style(colours=False).paint("x", BOLD, RED) == "x"
