"""Servers with the asgi worker, shared by the tests of a module."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from corn_testkit.asgi.serving import serving
from corn_testkit.server import Server
from corn_testkit.waiting import wait_for

APPS = Path(__file__).with_name("apps")
LOOPS = ("asyncio", "uvloop")

Told = Callable[..., list[str]]


@pytest.fixture(scope="module", params=LOOPS)
def probe(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server of ``asgi_probe:app`` on each event loop."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    with serving(
        tmp_path_factory.mktemp("probe"),
        APPS,
        "--worker-class=asgi",
        f"--asgi-loop={request.param}",
        *("--keep-alive=30", "--access-logfile=-", "--access-logformat=%(s)s %(B)s %(r)s"),
        "asgi_probe:app",
    ) as server:
        yield server


@pytest.fixture
def told(probe: Server) -> Told:
    """Wait until the application of ``probe`` has told these events, among others."""
    heard: list[str] = []

    def wait(*wanted: str) -> list[str]:
        def all_there() -> bool:
            heard.extend(json.loads(probe.get("/events")))
            return all(heard.count(each) >= wanted.count(each) for each in wanted)

        wait_for(all_there, f"the events {wanted}, of {heard}")
        return heard

    probe.get("/events")
    return wait
