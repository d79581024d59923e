"""TCP over IPv4 and IPv6, unix sockets, several addresses at once."""

from __future__ import annotations

import json
import re
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from corn_testkit.client import Address
from corn_testkit.fixtures import Serve


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")


def facts(address: Address) -> dict[str, str]:
    found: dict[str, str] = json.loads(address.request("GET", "/facts").text)["wsgi"]
    return found


def test_ipv4(serve: Serve) -> None:
    server = serve("probe:app")
    wsgi = facts(server.address)
    assert wsgi["REMOTE_ADDR"] == "127.0.0.1"
    assert wsgi["SERVER_NAME"] == "127.0.0.1"
    assert wsgi["SERVER_PORT"] == str(server.address.port)
    server.stop()


@needs_ipv6
def test_ipv6(serve: Serve) -> None:
    server = serve("probe:app", bind=("[::1]:0",))
    assert re.fullmatch(r"http://\[::1\]:\d+", server.address.url)
    wsgi = facts(server.address)
    assert wsgi["REMOTE_ADDR"] == "::1"
    assert wsgi["SERVER_PORT"] == str(server.address.port)
    server.stop()


@pytest.mark.parametrize("prefix", ["unix:", "unix://"])
def test_unix_socket(serve: Serve, tmp_path: Path, prefix: str) -> None:
    path = tmp_path / "corn.sock"
    server = serve("probe:app", bind=(f"{prefix}{path}",))
    assert server.address.url == f"unix:{path}"
    assert stat.S_ISSOCK(path.stat().st_mode)
    assert facts(server.address)["REMOTE_ADDR"] == ""
    server.stop()
    assert not path.exists()


def test_stale_unix_socket_is_replaced(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "stale.sock"
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(path))
    server = serve("probe:app", bind=(f"unix:{path}",))
    assert server.get() == "hello"
    server.stop()


def test_unix_socket_after_a_killed_master_is_replaced(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "again.sock"
    first = serve("probe:app", bind=(f"unix:{path}",))
    first.get()
    first.kill()
    assert path.exists()
    second = serve("probe:app", bind=(f"unix:{path}",))
    assert second.get() == "hello"
    second.stop()


def test_unix_socket_of_somebody_alive_is_refused(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "taken.sock"
    first = serve("probe:app", bind=(f"unix:{path}",))
    second = serve("probe:app", bind=(f"unix:{path}",), wait=False)
    second.wait(1)
    assert "taken.sock" in second.log
    assert first.get() == "hello"
    first.stop()


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir], ids=["file", "directory"])
def test_what_is_no_socket_stays(
    serve: Serve, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "precious"
    make(path)
    server = serve("probe:app", bind=(f"unix:{path}",), wait=False)
    server.wait(1)
    assert "precious" in server.log
    assert path.exists()


def test_port_variable(serve: Serve) -> None:
    with socket.create_server(("0.0.0.0", 0)) as probe:
        port = probe.getsockname()[1]
    server = serve("probe:app", bind=(), env={"PORT": str(port)})
    assert server.address.url == f"http://0.0.0.0:{port}"
    assert server.get() == "hello"
    server.stop()


def test_listening_sockets_are_not_inherited_by_programs(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "spawning.py").write_text(
        "import subprocess\n"
        "def app(environ, start_response):\n"
        "    links = subprocess.check_output(['ls', '-l', '/proc/self/fd'])\n"
        "    start_response('200 OK', [])\n"
        "    return [links]\n"
    )
    server = serve("spawning:app", cwd=tmp_path)
    assert "socket:" not in server.get()
    server.stop()
