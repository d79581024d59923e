from __future__ import annotations

import socket
from pathlib import Path

import pytest

from corn_core.net import (
    AbstractAddress,
    Address,
    FdAddress,
    TcpAddress,
    UnixAddress,
    address,
    parse_address,
)
from corn_core.net.address import UNIX_PATH_LIMIT, parse_bind
from corn_core.setting import Expected

GOOD = [
    ("127.0.0.1", TcpAddress("127.0.0.1", 8000), "127.0.0.1:8000"),
    ("127.0.0.1:80", TcpAddress("127.0.0.1", 80), "127.0.0.1:80"),
    (" 127.0.0.1:80 ", TcpAddress("127.0.0.1", 80), "127.0.0.1:80"),
    ("127.0.0.1:0", TcpAddress("127.0.0.1", 0), "127.0.0.1:0"),
    ("127.0.0.1:65535", TcpAddress("127.0.0.1", 65535), "127.0.0.1:65535"),
    (":9000", TcpAddress("0.0.0.0", 9000), "0.0.0.0:9000"),
    ("", TcpAddress("0.0.0.0", 8000), "0.0.0.0:8000"),
    ("localhost", TcpAddress("localhost", 8000), "localhost:8000"),
    ("App_1.Example.COM.:81", TcpAddress("app_1.example.com.", 81), "app_1.example.com.:81"),
    ("tcp://127.0.0.1:80", TcpAddress("127.0.0.1", 80), "127.0.0.1:80"),
    ("tcp://:80", TcpAddress("0.0.0.0", 80), "0.0.0.0:80"),
    ("tcp://[::1]:80", TcpAddress("::1", 80), "[::1]:80"),
    ("[::]", TcpAddress("::", 8000), "[::]:8000"),
    ("[::1]:8000", TcpAddress("::1", 8000), "[::1]:8000"),
    ("[2001:DB8::1]:8000", TcpAddress("2001:db8::1", 8000), "[2001:db8::1]:8000"),
    ("[FE80::1%Eth0]:8000", TcpAddress("fe80::1%Eth0", 8000), "[fe80::1%Eth0]:8000"),
    ("[::ffff:127.0.0.1]:1", TcpAddress("::ffff:127.0.0.1", 1), "[::ffff:127.0.0.1]:1"),
    ("unix:/run/corn.sock", UnixAddress("/run/corn.sock"), "unix:/run/corn.sock"),
    ("unix:///run/corn.sock", UnixAddress("/run/corn.sock"), "unix:/run/corn.sock"),
    ("unix:corn.sock", UnixAddress("corn.sock"), "unix:corn.sock"),
    ("unix://corn.sock", UnixAddress("corn.sock"), "unix:corn.sock"),
    ("unix:/a b:80", UnixAddress("/a b:80"), "unix:/a b:80"),
    ("unix:./@corn", UnixAddress("./@corn"), "unix:./@corn"),
    ("unix:@corn", AbstractAddress("\0corn"), "unix:@corn"),
    ("unix://@corn/a b/", AbstractAddress("\0corn/a b/"), "unix:@corn/a b/"),
    ("fd://0", FdAddress(0), "fd://0"),
    (" fd://03 ", FdAddress(3), "fd://3"),
    ("fd://999999999", FdAddress(999999999), "fd://999999999"),
]

BAD = [
    ("8000", "127.0.0.1:8000 for this machine only, or :8000 for all"),
    ("tcp://8000", "127.0.0.1:8000 for this machine only"),
    ("127.0.0.1:", "a port from 0 to 65535"),
    ("127.0.0.1:http", "a port from 0 to 65535"),
    ("127.0.0.1:65536", "a port from 0 to 65535"),
    ("127.0.0.1:-1", "a port from 0 to 65535"),
    ("127.0.0.1:+80", "a port from 0 to 65535"),
    ("127.0.0.1:8_0", "a port from 0 to 65535"),
    ("127.0.0.1:\u0668\u0660", "a port from 0 to 65535"),
    ("127.0.0.1:000080", "a port from 0 to 65535"),
    ("127.0.0.1:80/", "a port from 0 to 65535"),
    ("127.0.0.256:80", "four numbers from 0 to 255"),
    ("127.1:80", "four numbers from 0 to 255"),
    ("::1", "in brackets, such as"),
    ("::1:8000", "in brackets, such as"),
    ("[::1", "in brackets, such as"),
    ("[::1]8000", "in brackets, such as"),
    ("[::1]:", "a port from 0 to 65535"),
    ("[::1]:x", "a port from 0 to 65535"),
    ("[127.0.0.1]:80", "in brackets, such as"),
    ("[]:80", "in brackets, such as"),
    ("http://127.0.0.1:80", "there is no 'http://' address"),
    ("fd://", "the number of an open descriptor after 'fd://'"),
    ("fd://-1", "the number of an open descriptor after 'fd://'"),
    ("fd://web", "the number of an open descriptor after 'fd://'"),
    ("fd://3/", "the number of an open descriptor after 'fd://'"),
    ("fd://\u0663", "the number of an open descriptor after 'fd://'"),
    ("fd://9999999999", "the number of an open descriptor after 'fd://'"),
    ("unix:@", "the name of an abstract unix socket after 'unix:@'"),
    ("unix:@a\0b", "the name of an abstract unix socket after 'unix:@'"),
    ("two words:80", "HOST:PORT, :PORT"),
    ("a..b:80", "HOST:PORT, :PORT"),
    ("-a:80", "HOST:PORT, :PORT"),
    ("*:80", "HOST:PORT, :PORT"),
    ("a/b:80", "HOST:PORT, :PORT"),
    ("x" * 64 + ":80", "HOST:PORT, :PORT"),
    ("h\u00f6st:80", "HOST:PORT, :PORT"),
    ("unix:", "the path of a socket after 'unix:'"),
    ("unix://", "the path of a socket after 'unix:'"),
    ("unix:/run/", "the path of a socket after 'unix:'"),
    ("unix:/a\0b", "the path of a socket after 'unix:'"),
]


@pytest.mark.parametrize(("text", "expected", "shown"), GOOD)
def test_address_is_understood(text: str, expected: Address, shown: str) -> None:
    assert parse_address(text) == expected
    assert str(expected) == shown
    assert parse_address(str(expected)) == expected


@pytest.mark.parametrize(("text", "message"), BAD)
def test_bad_address_is_refused_with_an_example(text: str, message: str) -> None:
    with pytest.raises(Expected) as caught:
        parse_address(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ("127.0.0.1:1", socket.AF_INET),
        ("[::1]:1", socket.AF_INET6),
        ("localhost:1", socket.AF_UNSPEC),
    ],
)
def test_family(text: str, family: socket.AddressFamily) -> None:
    parsed = parse_address(text)
    assert isinstance(parsed, TcpAddress)
    assert parsed.family == family


def test_unix_path_is_measured_in_bytes() -> None:
    longest = "/" + "é" * (UNIX_PATH_LIMIT // 2)
    assert len(longest.encode()) == UNIX_PATH_LIMIT
    assert parse_address(f"unix:{longest}") == UnixAddress(longest)
    with pytest.raises(Expected, match=f"at most {UNIX_PATH_LIMIT} bytes.*this one has"):
        parse_address(f"unix:{longest}x")


def test_longest_unix_path_can_be_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The limit is the system's: one more byte, and bind(2) refuses.
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind("x" * UNIX_PATH_LIMIT)
    with socket.socket(socket.AF_UNIX) as sock, pytest.raises(OSError, match="too long"):
        sock.bind("x" * (UNIX_PATH_LIMIT + 1))


@pytest.mark.skipif(not address.HAS_ABSTRACT, reason="not on this system")
def test_longest_abstract_name_can_be_bound() -> None:
    longest = "corn-test-" + "x" * (UNIX_PATH_LIMIT - 10)
    assert parse_address(f"unix:@{longest}") == AbstractAddress(f"\0{longest}")
    with pytest.raises(Expected, match=f"at most {UNIX_PATH_LIMIT} bytes"):
        parse_address(f"unix:@{longest}x")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"\0{longest}")
    with socket.socket(socket.AF_UNIX) as sock, pytest.raises(OSError, match="too long"):
        sock.bind(f"\0{longest}x")


def test_system_without_abstract_sockets_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "HAS_ABSTRACT", False)
    with pytest.raises(Expected, match=r"no abstract unix sockets.*unix:\./@corn"):
        parse_address("unix:@corn")
    assert parse_address("unix:./@corn") == UnixAddress("./@corn")


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("127.0.0.1:80", ["127.0.0.1:80"]),
        (["127.0.0.1:80", " unix:x "], ["127.0.0.1:80", "unix:x"]),
        (("127.0.0.1:80",), ["127.0.0.1:80"]),
        (["127.0.0.1:0", "127.0.0.1:0"], ["127.0.0.1:0", "127.0.0.1:0"]),
        (["unix:corn", "unix:@corn"], ["unix:corn", "unix:@corn"]),
    ],
)
def test_bind_is_a_list_of_texts(raw: object, value: list[str]) -> None:
    assert parse_bind(raw) == value


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([], "at least one address"),
        ("", "at least one address"),
        (["127.0.0.1:80", "127.0.0.1:x"], "a port from"),
        (["127.0.0.1:8000", "127.0.0.1"], "127.0.0.1:8000 is given twice"),
        (["unix:a", "unix://a"], "unix:a is given twice"),
        (["unix:@a", "unix://@a"], "unix:@a is given twice"),
        (["fd://3", "fd://03"], "fd://3 is given twice"),
        ("127.0.0.1:80,127.0.0.1:81", "in brackets|a port from"),
        (8000, "text or a list of texts"),
        (None, "at least one address"),
        (3, "text or a list of texts"),
    ],
)
def test_bad_bind_is_refused(raw: object, message: str) -> None:
    with pytest.raises(Expected, match=message):
        parse_bind(raw)
