"""Every example works: it is run by the command that its first line gives."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest

from corn_testkit.fixtures import Serve
from tests.contract.pages import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def command_of(example: Path) -> list[str]:
    """Return the arguments of the command in the first line of the docstring."""
    documentation = ast.get_docstring(ast.parse(example.read_text())) or ""
    found = re.search(r"`corn ([^`]+)`", documentation.partition("\n")[0])
    assert found, f"{example} does not say how to run it"
    return shlex.split(found[1])


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_example(example: Path, serve: Serve) -> None:
    server = serve(*command_of(example), cwd=ROOT)
    assert server.get("/")
    server.stop()
    assert "[WARNING]" not in server.log and "[ERROR]" not in server.log


def test_echo_reads_chunked_bodies(serve: Serve) -> None:
    server = serve(*command_of(ROOT / "examples" / "echo.py"), cwd=ROOT)
    body = b"5\r\nhello\r\n0\r\n\r\n"
    head = b"POST /a?b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = server.raw(head + body)
    assert b"POST /a b\n" in answer and b"\n5 bytes\n" in answer
    server.stop()


def test_download_streams(serve: Serve) -> None:
    server = serve(*command_of(ROOT / "examples" / "download.py"), cwd=ROOT)
    assert server.get("/count") == "".join(f"{number}\n" for number in range(1, 11))
    assert server.get("/") == (ROOT / "examples" / "download.py").read_text()
    server.stop()


def test_hooks_of_the_examples_are_called(serve: Serve) -> None:
    server = serve(*command_of(ROOT / "examples" / "timing.conf.py"), cwd=ROOT)
    server.get("/x")
    server.stop()
    for line in ("slowest so far: GET /x", "served 1 requests", "ended with 0"):
        assert line in server.log
