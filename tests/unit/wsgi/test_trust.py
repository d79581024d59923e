"""Trusted peers: what the setting takes, and who is one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from corn_core.setting import Expected
from corn_core.wsgi import trust
from corn_core.wsgi.trust import parse_peers, peer_test


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("127.0.0.1", ["127.0.0.1"]),
        (" 10.0.0.1 , ::1,", ["10.0.0.1", "::1"]),
        (["10.0.0.0/8", "fd00::/8"], ["10.0.0.0/8", "fd00::/8"]),
        ("*", ["*"]),
        ("", []),
    ],
)
def test_parses(raw: object, value: list[str]) -> None:
    assert parse_peers(raw) == value


@pytest.mark.parametrize(
    "raw",
    ["localhost", "10.0.0.1/8", "10.0.0", "10.0.0.256", "10.0.0.0/33", "::1::", "10.0.0.1:80"],
)
def test_refuses_what_is_no_address(raw: str) -> None:
    with pytest.raises(Expected) as caught:
        parse_peers(f"127.0.0.1,{raw}")
    assert repr(raw) in str(caught.value)


@pytest.mark.parametrize("raw", [5, b"127.0.0.1", [5]])
def test_refuses_what_is_no_text(raw: object) -> None:
    with pytest.raises(Expected):
        parse_peers(raw)


@pytest.mark.parametrize(
    ("peers", "host", "trusted"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.11", False),
        ("", "127.0.0.1", False),
        ("*", "203.0.113.9", True),
        ("0:0:0:0:0:0:0:1", "::1", True),
        ("::1", "::2", False),
        ("127.0.0.1", "::ffff:127.0.0.1", True),
        ("::ffff:127.0.0.1", "127.0.0.1", True),
        ("10.0.0.0/8", "10.255.0.1", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("10.0.0.0/8", "::ffff:10.1.2.3", True),
        ("10.0.0.0/8", "fd00::1", False),
        ("fe80::/10", "fe80::1%eth0", True),
        ("192.0.2.1,10.0.0.0/8", "192.0.2.1", True),
    ],
)
def test_who_is_trusted(peers: str, host: str, trusted: bool) -> None:
    test = peer_test(parse_peers(peers))
    assert test((host, 4711)) is trusted
    # Once more, for the answer that is remembered.
    assert test((host, 4712, 0, 0)) is trusted


@pytest.mark.parametrize("peer", ["", b"", "/run/client"])
def test_a_client_of_a_unix_socket_is_always_trusted(peer: object) -> None:
    assert peer_test([])(peer) is True


def test_remembers_a_bounded_number_of_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "_MEMO_LIMIT", 3)
    test = peer_test(["10.0.0.0/8"])
    memo = next(c.cell_contents for c in test.__closure__ or () if type(c.cell_contents) is dict)
    for number in range(20):
        assert test((f"10.0.0.{number}", 1)) is True
        assert test((f"11.0.0.{number}", 1)) is False
        assert len(memo) <= 3


def test_plain_addresses_do_not_import_ipaddress() -> None:
    code = (
        "import sys; from corn_core.wsgi import trust;"
        "trust.peer_test(trust.parse_peers('127.0.0.1,::1'))(('192.0.2.1', 1));"
        "assert 'ipaddress' not in sys.modules;"
        "trust.peer_test(trust.parse_peers('10.0.0.0/8'));"
        "assert 'ipaddress' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
