"""The asgi worker does what every worker must, and what every ASGI worker must, on each loop."""

from __future__ import annotations

import pytest

from corn_testkit.conformance import run


# The loop that users have by default, in every run of the tests.
@pytest.mark.parametrize("loop", ["auto", pytest.param("asyncio", marks=pytest.mark.slow)])
def test_conformance(loop: str) -> None:
    run("asgi", f"--asgi-loop={loop}")
