"""The page of an application that cannot be imported."""

from __future__ import annotations

from typing import Any

from corn_core.reloading.reloader import failure_app


def answer(message: str, details: str) -> tuple[str, dict[str, str], bytes]:
    seen: list[Any] = []

    def start_response(*arguments: Any) -> Any:
        seen.extend(arguments)

    body = b"".join(failure_app(message, details)({}, start_response))
    return seen[0], dict(seen[1]), body


def test_text_is_escaped() -> None:
    _, _, body = answer("<b>", "File \"x\", in <module>\n  '</pre><script>'")
    assert b"<b>" not in body and b"<script>" not in body
    assert b"&lt;b&gt;" in body and b"&lt;/pre&gt;&lt;script&gt;" in body


def test_head() -> None:
    status, headers, body = answer("m", "d")
    assert status == "500 Internal Server Error"
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Content-Length"] == str(len(body))
    assert headers["Cache-Control"] == "no-store"


def test_text_that_is_in_no_encoding() -> None:
    _, headers, body = answer("ü", "a file named \udcff")
    assert "ü".encode() in body
    assert b"\\udcff" in body
    assert headers["Content-Length"] == str(len(body))


def test_braces_are_text() -> None:
    assert b"{details}" in answer("{details}", "{message}")[2]
