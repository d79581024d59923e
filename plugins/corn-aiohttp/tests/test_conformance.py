"""The aiohttp worker does what every worker must."""

from __future__ import annotations

from corn_testkit.conformance import run


def test_conformance() -> None:
    run("aiohttp")
