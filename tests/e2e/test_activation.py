"""Sockets that the server is started with: from a service manager, and as fd://N."""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from signal import SIGHUP, SIGTERM

import pytest

from corn_testkit.client import Address, parse, read_all
from corn_testkit.descriptors import open_files
from corn_testkit.fixtures import Serve
from corn_testkit.gate import Gate
from corn_testkit.server import APPS, COMMAND, Server
from corn_testkit.waiting import alive, wait_for

LAUNCHER = str(Path(__file__).with_name("activation.py"))


@pytest.fixture
def sockets(tmp_path: Path) -> Iterator[list[socket.socket]]:
    """A unix socket, one of IPv4 and one of IPv6; a manager keeps its own copies open."""
    with ExitStack() as stack:
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind(str(tmp_path / "web.sock"))
        unix.listen(16)
        four = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        six = stack.enter_context(socket.create_server(("::1", 0), family=socket.AF_INET6))
        yield [unix, four, six]


def url(sock: socket.socket) -> str:
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return f"unix:{name}"
    return f"http://[{name[0]}]:{name[1]}" if ":" in name[0] else f"http://{name[0]}:{name[1]}"


class Activate:
    """Starts servers to which sockets are passed as a service manager does it."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve

    def __call__(
        self,
        sockets: Sequence[socket.socket],
        *arguments: str,
        bind: tuple[str, ...] = (),
        cwd: Path = APPS,
        env: Mapping[str, str] | None = None,
        names: str = "",
        wait: bool = True,
    ) -> Server:
        fds = [sock.fileno() for sock in sockets]
        launcher = [LAUNCHER, ",".join(map(str, fds)), *filter(None, [names]), "--", COMMAND]
        return self._serve(
            *launcher,
            *arguments,
            bind=bind,
            cwd=cwd,
            env=env,
            wait=wait,
            command=sys.executable,
            pass_fds=fds,
        )


@pytest.fixture
def activate(serve: Serve) -> Activate:
    return Activate(serve)


def urls(server: Server) -> list[str]:
    return [address.url for address in server.addresses]


# -- socket activation ---------------------------------------------------------------


def test_passed_sockets_are_served_and_nothing_else(
    activate: Activate, sockets: list[socket.socket]
) -> None:
    server = activate(sockets, "probe:app", names="unix:four:six")
    expected = [url(sock) for sock in sockets]
    assert f"Socket activation sockets: {','.join(expected)}\n" in server.log
    assert urls(server) == expected, "the default address is not added"
    for address in server.addresses:
        assert address.request("GET", "/").text == "hello"
    server.stop()
    assert os.path.exists(sockets[0].getsockname()), "the path is the manager's"


def test_clients_that_wait_for_a_restart_are_served(
    activate: Activate, sockets: list[socket.socket]
) -> None:
    first = activate(sockets, "probe:app")
    assert first.get() == "hello"
    first.stop()
    with Address(url(sockets[1])).connect() as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        second = activate(sockets, "probe:app")
        assert client.recv(9) == b"HTTP/1.1 "
    second.stop()


@pytest.mark.parametrize("way", ["activation", "fd://"])
def test_clients_are_not_refused_by_a_server_that_stops(
    activate: Activate, serve: Serve, sockets: list[socket.socket], gate: Gate, way: str
) -> None:
    """The sockets are the manager's, and the next server that it starts will serve."""

    def start() -> Server:
        if way == "activation":
            return activate(sockets, "probe:app")
        fds = [sock.fileno() for sock in sockets]
        return serve("probe:app", bind=tuple(f"fd://{fd}" for fd in fds), pass_fds=fds)

    first = start()
    held = first.get("/pid")
    with first.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        first.signal(SIGTERM)
        first.wait_for_log("Handling signal: term")
        second = start()
        for each in second.addresses:
            assert each.request("GET", "/pid").text != held
        gate.open()
        assert parse(read_all(client)).text == f"waited in {held}"
    first.wait()
    for each in second.addresses:
        assert each.request("GET", "/").text == "hello"
    second.stop()


def test_explicit_addresses_are_served_too(
    activate: Activate, sockets: list[socket.socket], tmp_path: Path
) -> None:
    bind = (f"unix:{tmp_path}/own.sock", "127.0.0.1:0")
    server = activate(sockets[:1], "probe:app", bind=bind)
    assert urls(server)[:2] == [url(sockets[0]), f"unix:{tmp_path}/own.sock"]
    assert len(urls(server)) == 3
    for address in server.addresses:
        assert address.request("GET", "/").text == "hello"
    server.stop()
    assert sorted(path.name for path in tmp_path.glob("*.sock")) == ["web.sock"]


def test_explicit_address_that_was_passed_is_served_once(
    activate: Activate, sockets: list[socket.socket]
) -> None:
    bind = tuple(url(sock).removeprefix("http://") for sock in sockets)
    server = activate(sockets, "probe:app", bind=bind)
    assert urls(server) == [url(sock) for sock in sockets]
    assert "in use" not in server.log
    server.stop()


def test_port_variable_is_but_another_default(
    activate: Activate, sockets: list[socket.socket]
) -> None:
    server = activate(sockets[1:2], "probe:app", env={"PORT": "1"})
    assert urls(server) == [url(sockets[1])]
    server.stop()


def test_reload_keeps_passed_sockets(
    activate: Activate, sockets: list[socket.socket], tmp_path: Path
) -> None:
    config = tmp_path / "corn.conf.py"
    config.write_text("bind = '127.0.0.1:0'\nwsgi_app = 'probe:app'\n")
    shutil.copy(APPS / "probe.py", tmp_path)
    server = activate(sockets, cwd=tmp_path)
    own = server.addresses[3]
    (old,) = server.wait_for_workers(1)
    config.write_text(f"bind = 'unix:{tmp_path}/new.sock'\nwsgi_app = 'probe:app'\n")
    server.signal(SIGHUP)
    wait_for(lambda: not alive(old), "the old worker to end")
    assert urls(server) == [*map(url, sockets), f"unix:{tmp_path}/new.sock"]
    for address in server.addresses:
        assert address.request("GET", "/").text == "hello"
    with pytest.raises(ConnectionRefusedError):
        own.connect()
    config.write_text("wsgi_app = 'probe:app'\n")
    server.signal(SIGHUP)
    wait_for(lambda: not os.path.exists(tmp_path / "new.sock"), "the own socket to be removed")
    for sock in sockets:
        assert Address(url(sock)).request("GET", "/").text == "hello"
    server.stop()


def test_variables_do_not_reach_the_application(
    activate: Activate, sockets: list[socket.socket], tmp_path: Path
) -> None:
    (tmp_path / "environment.py").write_text(
        "import json, os\n"
        "loaded = dict(os.environ)\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [json.dumps([loaded, dict(os.environ)]).encode()]\n"
    )
    arguments = ("--preload", "environment:app")
    server = activate(sockets[1:2], *arguments, cwd=tmp_path, names="web", env={"COLOUR": "red"})
    for variables in json.loads(server.get()):
        assert variables["COLOUR"] == "red"
        assert not [name for name in variables if name.startswith("LISTEN_")]
    server.stop()


def test_variables_for_another_process_mean_nothing(serve: Serve) -> None:
    server = serve("probe:app", env={"LISTEN_FDS": "1", "LISTEN_PID": "1"})
    assert "Socket activation" not in server.log
    assert server.get() == "hello"
    server.stop()


def test_socket_that_cannot_be_listened_on_is_named(activate: Activate, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        arguments = ("--pid", str(tmp_path / "pid"), "probe:app")
        server = activate([datagrams], *arguments, names="dns", wait=False)
        server.wait(1)
    (line,) = [line for line in server.log.splitlines() if line.startswith("error: ")]
    assert "fd://3 (dns) of the service manager: it is not a stream socket" in line
    assert not (tmp_path / "pid").exists()


@pytest.mark.skipif(not shutil.which("systemd-socket-activate"), reason="systemd is not installed")
def test_systemd(serve: Serve, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    path = f"{tmp_path}/web.sock"
    options = (f"--listen={path}", f"--listen=127.0.0.1:{port}", "--fdname=web:tcp")
    server = serve(
        *options, COMMAND, "probe:app", bind=(), wait=False, command="systemd-socket-activate"
    )
    wait_for(lambda: f"Listening on 127.0.0.1:{port}" in server.log, "systemd to listen")
    # The first connection starts the server, which answers it.
    assert Address(f"unix:{path}").request("GET", "/").text == "hello"
    assert f"Socket activation sockets: unix:{path},http://127.0.0.1:{port}\n" in server.log
    assert Address(f"http://127.0.0.1:{port}").request("GET", "/").text == "hello"
    server.stop()
    assert os.path.exists(path)


# -- fd://N --------------------------------------------------------------------------


def test_descriptors_as_addresses(
    serve: Serve, sockets: list[socket.socket], tmp_path: Path
) -> None:
    fds = [sock.fileno() for sock in sockets]
    bind = (*(f"fd://{fd}" for fd in fds), f"unix:{tmp_path}/own.sock")
    sockets[1].listen(7)
    server = serve("probe:app", bind=bind, pass_fds=fds)
    assert urls(server) == [*map(url, sockets), f"unix:{tmp_path}/own.sock"]
    (old,) = server.wait_for_workers(1)
    server.signal(SIGHUP)
    wait_for(lambda: not alive(old), "the old worker to end")
    for address in server.addresses:
        assert address.request("GET", "/").text == "hello"
    server.stop()
    assert sorted(path.name for path in tmp_path.glob("*.sock")) == ["web.sock"]
    assert backlog(sockets[1]) == 7, "it is as its owner made it"


def backlog(sock: socket.socket) -> int:
    """Return the length of a listening socket's queue: tcpi_sacked of linux/tcp.h."""
    (length,) = struct.unpack_from(
        "I", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 64), 28
    )
    return int(length)


def test_descriptor_that_is_not_open(serve: Serve) -> None:
    server = serve("probe:app", bind=("fd://77",), wait=False)
    server.wait(1)
    assert "error: cannot listen on fd://77: Bad file descriptor; it is not open" in server.log
    assert "Booting worker" not in server.log


def test_reload_does_not_take_the_servers_own_socket_for_a_passed_one(
    serve: Serve, tmp_path: Path
) -> None:
    config = tmp_path / "corn.conf.py"
    good = f"bind = ['unix:{tmp_path}/own.sock']\nwsgi_app = 'probe:app'\n"
    config.write_text(good)
    shutil.copy(APPS / "probe.py", tmp_path)
    server = serve(bind=(), cwd=tmp_path)
    links = open_files(server.pid)
    (own,) = [fd for fd, target in links.items() if target.startswith("socket:")]
    config.write_text(good + f"bind += ['fd://{own}']\n")
    server.signal(SIGHUP)
    server.wait_for_log(f"cannot listen on fd://{own}: it is a socket of the server's own")
    server.wait_for_log("Reload failed")
    assert server.get() == "hello"
    server.stop()


# -- abstract ------------------------------------------------------------------------


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only")
def test_abstract_unix_socket(serve: Serve) -> None:
    server = serve("probe:app", bind=(f"unix:@corn-test-{os.getpid()}",))
    assert urls(server) == [f"unix:@corn-test-{os.getpid()}"]
    (old,) = server.wait_for_workers(1)
    server.signal(SIGHUP)
    wait_for(lambda: not alive(old), "the old worker to end")
    assert server.get() == "hello"
    address = server.address
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        address.connect()
