"""Several addresses at once, of several kinds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from corn_testkit.candidate import Start
from corn_testkit.client import Address


def environ(address: Address) -> dict[str, str]:
    found: dict[str, str] = json.loads(address.request("GET", "/facts").text)["wsgi"]
    return found


@pytest.mark.parametrize("workers", [1, 2])
def test_all_addresses_are_served(start: Start, tmp_path: Path, workers: int) -> None:
    """A worker serves all addresses, and the environ tells which of them a request used."""
    path = tmp_path / "corn.sock"
    subject = start(bind=("127.0.0.1:0", f"unix:{path}", "127.0.0.1:0"), workers=workers)
    first, unix, second = subject.addresses
    for _ in range(3):
        for tcp in (first, second):
            wsgi = environ(tcp)
            assert (wsgi["REMOTE_ADDR"], wsgi["SERVER_PORT"]) == ("127.0.0.1", str(tcp.port))
        assert environ(unix)["REMOTE_ADDR"] == ""
    subject.stop()
    assert not path.exists()


def test_large_bodies_over_a_unix_socket(start: Start, tmp_path: Path) -> None:
    """Large bodies pass through a unix socket in both directions."""
    subject = start(bind=(f"unix:{tmp_path / 'corn.sock'}",))
    body = b"y" * 4_000_000
    assert subject.request("POST", "/echo", body).body == body
    subject.stop()
