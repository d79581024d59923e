"""SIGUSR2: a new master beside the old one, and the end of either of them."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from signal import SIGHUP, SIGKILL, SIGTERM, SIGUSR2
from threading import Event, Thread

import pytest

from corn_testkit.client import Address, listens, parse, read_all
from corn_testkit.descriptors import open_files
from corn_testkit.fixtures import Serve
from corn_testkit.gate import Gate
from corn_testkit.server import COMMAND, Server
from corn_testkit.waiting import alive, children, have_ended, session_members, wait_for

LAUNCHER = str(Path(__file__).with_name("activation.py"))

APP = """
import os
from urllib.parse import parse_qs

def app(environ, start_response):
    if environ["QUERY_STRING"]:
        with open(parse_qs(environ["QUERY_STRING"])["q"][0]) as gate:
            gate.read()
    body = ("%s " + str(os.getppid()) + " " + os.environ.get("COLOUR", "-")).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


ARGUED = """
import os, sys

def app(environ, start_response):
    start_response("200 OK", [])
    return [f"{os.getppid()} {sys.orig_argv[1:]}".encode()]
"""


class Site:
    """A server with a config file, a pidfile, a TCP and a unix socket, in a directory."""

    def __init__(self, directory: Path, serve: Serve) -> None:
        self.directory = directory
        self.pidfile = directory / "corn.pid"
        self.socket = directory / "corn.sock"
        self._serve = serve
        self.code("one")

    def code(self, version: str) -> None:
        (self.directory / "site_app.py").write_text(APP % version)

    def config(self, text: str) -> None:
        (self.directory / "corn.conf.py").write_text(text)

    def start(self, *arguments: str) -> Server:
        bind = ("127.0.0.1:0", f"unix:{self.socket}")
        pid = f"--pid={self.pidfile}"
        server = self._serve(pid, *arguments, "site_app:app", bind=bind, cwd=self.directory)
        wait_for(lambda: serving(server, server.pid), "the first master's worker")
        return server

    def pids(self) -> dict[str, int]:
        """Read the pidfiles that exist, by what follows the configured name."""
        name = self.pidfile.name
        found = {}
        for file in self.directory.glob(f"{name}*"):
            # One that is just being written becomes a pidfile when it is complete.
            if file.suffix != ".tmp":
                try:
                    found[file.name.removeprefix(name)] = int(file.read_text())
                except FileNotFoundError:
                    continue  # it has been renamed since it was found
        return found


@pytest.fixture
def site(tmp_path: Path, serve: Serve) -> Site:
    return Site(tmp_path, serve)


def serving(server: Server, master: int) -> list[int]:
    """List the workers of a master that have made their poller, and so accept connections."""
    log = server.log
    booting = [pid for pid in children(master) if f"Booting worker with pid: {pid}" in log]
    return [pid for pid in booting if has_poller(pid)]


def has_poller(pid: int) -> bool:
    try:
        return any("eventpoll" in target for target in open_files(pid).values())
    except OSError:
        return False  # it ends this moment


def make(directory: Path) -> Path:
    directory.mkdir()
    return directory


def upgrade(server: Server, master: int = 0) -> int:
    """Start a new master, and wait until it serves; its process id."""
    begun = server.log.count("Upgrade: the new master is (pid:")
    os.kill(master or server.pid, SIGUSR2)
    found = server.wait_for_log(r"Upgrade: the new master is \(pid:(\d+)\)", begun + 1)
    new = int(found[1])
    wait_for(lambda: serving(server, new), "the new master's worker")
    return new


def masters(address: Address, path: str = "/", times: int = 1) -> set[int]:
    """Find the masters whose workers answer; all answers must be good."""
    replies = [address.request("GET", path) for _ in range(times)]
    assert {reply.status for reply in replies} == {200}
    return {int(reply.text.split()[1]) for reply in replies}


def end(pid: int, number: int = SIGTERM) -> None:
    os.kill(pid, number)
    wait_for(lambda: not alive(pid), f"the end of {pid}")


def promoted(server: Server, old: int) -> None:
    server.wait_for_log(rf"Upgrade: the old master \(pid:{old}\) is gone")


def wait_for_nothing(server: Server) -> None:
    server.process.wait()
    wait_for(lambda: not session_members(server.pid), "the server's last process to end")


@pytest.mark.parametrize(("scheme", "during"), [("new", ("", ".2")), ("oldbin", (".oldbin", ""))])
def test_term_to_the_old_master_completes_an_upgrade(
    site: Site, gate: Gate, scheme: str, during: tuple[str, str]
) -> None:
    server = site.start(f"--pidfile-scheme={scheme}")
    tcp, unix = server.addresses
    site.code("two")
    new = upgrade(server)
    assert server.addresses == [tcp, unix]
    assert site.pids() == dict(zip(during, (server.pid, new), strict=True))
    for address in tcp, unix:
        # While one of the two workers is busy, the other one answers.
        with address.connect() as client:
            client.sendall(gate.request)
            gate.entered()
            other = masters(address)
            gate.open()
            held = int(parse(read_all(client)).text.split()[1])
        assert {held, *other} == {server.pid, new}
    end(server.pid)
    assert masters(unix, times=5) | masters(tcp, times=5) == {new}
    assert tcp.request("GET", "/").text.startswith("two ")
    promoted(server, server.pid)
    wait_for(lambda: site.pids() == {"": new}, "the new master's pidfile")
    end(new)
    wait_for_nothing(server)
    assert site.pids() == {} and not site.socket.exists()


def test_the_old_master_refuses_no_client_while_it_finishes(site: Site, gate: Gate) -> None:
    server = site.start()
    with server.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        new = upgrade(server)
        os.kill(server.pid, SIGTERM)
        server.wait_for_log("Handling signal: term")
        for address in server.addresses:
            assert masters(address, times=3) == {new}
        gate.open()
        assert parse(read_all(client)).text.split()[1] == str(server.pid)
    promoted(server, server.pid)
    for address in server.addresses:
        assert masters(address, times=3) == {new}
    end(new)
    wait_for_nothing(server)


@pytest.mark.parametrize("scheme", ["new", "oldbin"])
def test_term_to_the_new_master_undoes_an_upgrade(site: Site, scheme: str) -> None:
    server = site.start(f"--pidfile-scheme={scheme}")
    tcp, unix = server.addresses
    site.code("two")
    new = upgrade(server)
    end(new)
    server.wait_for_log(rf"Upgrade: the new master \(pid:{new}\) exited with code 0")
    assert masters(tcp, times=5) | masters(unix, times=5) == {server.pid}
    wait_for(lambda: site.pids() == {"": server.pid}, "the old master's pidfile")
    # The code on the disk was not rolled back, and a reload is a reload as before.
    server.signal(SIGHUP)
    wait_for(lambda: server.get().startswith("two "), "the reload")
    again = upgrade(server)
    assert again != new and alive(server.pid)
    end(again)
    server.stop()
    assert site.pids() == {} and not site.socket.exists()


def test_hup_to_either_master_during_an_upgrade(site: Site) -> None:
    server = site.start()
    new = upgrade(server)
    for master in server.pid, new:
        before = serving(server, master)
        os.kill(master, SIGHUP)
        wait_for(partial(have_ended, before), "the old workers to end")
        wait_for(partial(serving, server, master), "the reloaded master's worker")
    assert site.pids() == {"": server.pid, ".2": new}
    assert "pidfile:" not in server.log
    end(new)
    server.stop()


def test_one_upgrade_at_a_time(site: Site) -> None:
    server = site.start()
    new = upgrade(server)
    server.signal(SIGUSR2)
    server.wait_for_log(rf"No upgrade: the new master \(pid:{new}\) of an earlier one")
    os.kill(new, SIGUSR2)
    server.wait_for_log(rf"No upgrade: .* the old one \(pid:{server.pid}\) is still there")
    end(server.pid)
    # Promoted, it may start one of its own, even before it has noticed by itself.
    third = upgrade(server, new)
    assert site.pids() == {"": new, ".2": third}
    end(new)
    promoted(server, new)
    end(third)
    wait_for_nothing(server)


BROKEN = {
    "hook that raises": ("def pre_exec(server):\n    raise ValueError('not today')\n", "", 1),
    "hook that exits": ("def pre_exec(server):\n    raise SystemExit(0)\n", "", 1),
    "configuration": ("", "workers = 'many'\n", 1),
    "config file": ("", "workers = (\n", 1),
}


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.parametrize("scheme", ["new", "oldbin"])
def test_new_master_that_cannot_start(site: Site, case: str, scheme: str) -> None:
    at_first, later, status = BROKEN[case]
    site.config(at_first)
    server = site.start(f"--pidfile-scheme={scheme}")
    server.tracebacks_expected = True
    site.config(at_first + later)
    server.signal(SIGUSR2)
    server.wait_for_log(rf"\[ERROR\] Upgrade: the new master .* exited with code {status}")
    assert server.workers() == serving(server, server.pid)
    assert masters(server.addresses[1], times=3) == {server.pid}
    wait_for(lambda: site.pids() == {"": server.pid}, "the old master's pidfile")
    if later:
        site.config("")
        end(upgrade(server))
    server.stop()


@pytest.mark.parametrize("arguments", [(), ("--preload",)])
def test_new_code_that_cannot_be_loaded(site: Site, arguments: tuple[str, ...]) -> None:
    server = site.start(*arguments)
    server.tracebacks_expected = True
    (site.directory / "site_app.py").write_text("def app(:\n")
    server.signal(SIGUSR2)
    server.wait_for_log(r"\[ERROR\] Upgrade: the new master .* exited with code 4")
    assert masters(server.addresses[1], times=3) == {server.pid}
    assert site.pids() == {"": server.pid}
    site.code("two")
    new = upgrade(server)
    end(server.pid)
    assert server.addresses[0].request("GET", "/").text.startswith(f"two {new} ")
    end(new)
    wait_for_nothing(server)


@pytest.mark.parametrize("leaving", ["old", "new"])
def test_the_backlog_is_left_to_the_other_master(site: Site, tmp_path: Path, leaving: str) -> None:
    server = site.start()
    address = server.address
    new = upgrade(server)
    pids = {"old": server.pid, "new": new}
    stays = pids["new" if leaving == "old" else "old"]
    gates = [Gate(make(tmp_path / name)) for name in ("first", "second")]
    with ExitStack() as stack:
        for gate in gates:
            stack.callback(gate.open)
            stack.enter_context(address.connect()).sendall(gate.request)
            gate.entered()
        # Each worker holds one of these. The one that goes is let go, and the other is not yet.
        (worker,) = serving(server, pids[leaving])

        def holds(gate: Gate) -> bool:
            return str(gate.fifo) in open_files(worker).values()

        # The writer may have the FIFO open a moment before its reader has its descriptor.
        wait_for(lambda: any(map(holds, gates)), "the gate that the worker holds")
        gates.sort(key=holds, reverse=True)
        # More than a worker takes before it looks whether it is to stop.
        waiting = [stack.enter_context(address.connect()) for _ in range(60)]
        for client in waiting:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        os.kill(pids[leaving], SIGTERM)
        server.wait_for_log("Handling signal: term")
        gates[0].open()
        wait_for(lambda: not alive(pids[leaving]), "the master to end")
        gates[1].open()
        answers = [parse(read_all(client)).text.split()[1] for client in waiting]
    assert str(stays) in answers
    end(stays)
    wait_for_nothing(server)


@pytest.mark.parametrize("leaving", ["old", "new"])
def test_the_master_that_stays_serves_its_backlog_when_it_ends(
    site: Site, gate: Gate, leaving: str
) -> None:
    server = site.start()
    address = server.address
    new = upgrade(server)
    goes, stays = (server.pid, new) if leaving == "old" else (new, server.pid)
    end(goes)
    with ExitStack() as stack:
        stack.enter_context(address.connect()).sendall(gate.request)
        gate.entered()
        waiting = [stack.enter_context(address.connect()) for _ in range(60)]
        for client in waiting:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        os.kill(stays, SIGTERM)
        server.wait_for_log(rf"\[{stays}\] \[INFO\] Handling signal: term")
        gate.open()
        assert {parse(read_all(client)).status for client in waiting} == {200}
    wait_for_nothing(server)


def test_old_master_that_is_killed(site: Site) -> None:
    server = site.start()
    new = upgrade(server)
    # It has not been waited for, so it remains as a zombie, and so does its pidfile.
    orphans = serving(server, server.pid)
    end(server.pid, SIGKILL)
    promoted(server, server.pid)
    wait_for(lambda: site.pids() == {"": new}, "the new master's pidfile")
    wait_for(lambda: not any(map(alive, orphans)), "the orphans to end")
    assert masters(Address(f"unix:{site.socket}")) == {new}
    end(new)
    wait_for_nothing(server)
    assert site.pids() == {} and not site.socket.exists()


def test_new_master_that_is_killed(site: Site) -> None:
    server = site.start("--pidfile-scheme=oldbin")
    new = upgrade(server)
    end(new, SIGKILL)
    server.wait_for_log(r"\[ERROR\] Upgrade: the new master .* was sent SIGKILL")
    wait_for(lambda: site.pids() == {"": server.pid}, "the old master's pidfile")
    server.stop()
    assert site.pids() == {} and not site.socket.exists()


@pytest.mark.parametrize("scheme", ["new", "oldbin"])
def test_both_masters_end_at_once(site: Site, scheme: str) -> None:
    server = site.start(f"--pidfile-scheme={scheme}")
    upgrade(server)
    os.killpg(server.pid, SIGTERM)
    server.wait()
    assert site.pids() == {} and not site.socket.exists()


def test_addresses_change_with_an_upgrade(site: Site, serve: Serve) -> None:
    kept, dropped, added = (site.directory / name for name in ("kept", "dropped", "added"))
    site.config(f"bind = ['unix:{dropped}', 'unix:{kept}']")
    server = serve("site_app:app", bind=(), cwd=site.directory)
    wait_for(lambda: serving(server, server.pid), "the first master's worker")
    site.config(f"bind = ['unix:{kept}', 'unix:{added}']")
    new = upgrade(server)
    inode = kept.stat().st_ino
    assert masters(Address(f"unix:{added}"), times=3) == {new}
    assert masters(Address(f"unix:{dropped}"), times=3) == {server.pid}
    end(server.pid)
    wait_for(lambda: not dropped.exists(), "the dropped socket's path to go")
    assert masters(Address(f"unix:{kept}"), times=3) == {new} and kept.stat().st_ino == inode
    end(new)
    wait_for_nothing(server)
    assert not kept.exists() and not added.exists()


def test_socket_whose_path_was_removed_is_bound_again(site: Site) -> None:
    server = site.start()
    site.socket.unlink()
    new = upgrade(server)
    assert masters(server.addresses[1], times=3) == {new}
    end(server.pid)
    promoted(server, server.pid)
    assert listens(server.addresses[1])
    end(new)
    wait_for_nothing(server)
    assert not site.socket.exists()


def test_command_is_run_as_it_was_at_first(tmp_path: Path, serve: Serve) -> None:
    for release in "one", "two":
        (tmp_path / release).mkdir()
        (tmp_path / release / "site_app.py").write_text(APP % release)
    (tmp_path / "one" / "corn.conf.py").write_text("raw_env = ['COLOUR=red']\n")
    current = tmp_path / "current"
    current.symlink_to("one")
    server = serve("site_app:app", cwd=current, env={"PWD": str(current)})
    assert server.get().split()[::2] == ["one", "red"]
    current.unlink()
    current.symlink_to("two")
    new = upgrade(server)
    end(server.pid)
    assert server.get() == f"two {new} -"
    end(new)
    wait_for_nothing(server)


def test_module_is_run_as_a_module(tmp_path: Path) -> None:
    (tmp_path / "argued.py").write_text(ARGUED)
    arguments = ["-X", "utf8", "-m", "corn_core", "--bind=127.0.0.1:0", "argued:app"]
    server = Server(tmp_path, arguments, cwd=tmp_path, command=sys.executable)
    try:
        server.started()
        new = upgrade(server)
        end(server.pid)
        assert server.get() == f"{new} {arguments}"
        end(new)
        wait_for_nothing(server)
    finally:
        server.kill()


def test_sockets_and_variable_are_for_the_new_master_only(serve: Serve) -> None:
    server = serve("probe:app")
    new = upgrade(server)
    for master in server.pid, new:
        for fd, target in open_files(master).items():
            if target.startswith("socket:"):
                flags = Path(f"/proc/{master}/fdinfo/{fd}").read_text().split("flags:")[1]
                assert int(flags.split()[0], 8) & os.O_CLOEXEC
    end(server.pid)
    assert "CORN_FDS" not in server.get("/facts")
    end(new)
    wait_for_nothing(server)


def test_variable_of_another_process_means_nothing(serve: Serve) -> None:
    handed = '{"for": 1, "from": 1, "sockets": [[0, "127.0.0.1:0"]]}'
    server = serve("probe:app", env={"CORN_FDS": handed})
    assert "CORN_FDS" not in server.get("/facts") and "Upgrade" not in server.log
    server.stop()


def test_variable_that_makes_no_sense(serve: Serve) -> None:
    server = serve("probe:app", env={"CORN_FDS": "5,6"}, wait=False)
    server.wait(1)
    assert server.log.rstrip().endswith("got '5,6' (environment variable); remove it")
    assert "Listening" not in server.log


class Load:
    """Clients that ask, each one time after the other, until they are told to stop."""

    def __init__(self, addresses: list[Address]) -> None:
        self.answered = 0
        self.failures: list[object] = []
        self._done = Event()
        self._threads = [Thread(target=self._ask, args=(each,)) for each in addresses * 3]
        for thread in self._threads:
            thread.start()

    def _ask(self, address: Address) -> None:
        while not self._done.is_set():
            try:
                reply = address.request("GET", "/")
            except OSError as error:
                self.failures.append(error)
            else:
                self.answered += 1
                if reply.status != 200:
                    self.failures.append(reply)

    def goes_on(self) -> None:
        """Wait until some more requests have been answered."""
        goal = self.answered + 50
        wait_for(lambda: self.answered >= goal or self.failures, "more answers")

    def stop(self) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()


def test_no_request_fails_during_upgrade_and_rollback(site: Site) -> None:
    server = site.start("--workers=2")
    load = Load(server.addresses)
    try:
        undone = upgrade(server)
        load.goes_on()
        end(undone)
        load.goes_on()
        new = upgrade(server)
        load.goes_on()
        end(server.pid)
        load.goes_on()
        last = upgrade(server, new)
        end(new)
        load.goes_on()
    finally:
        load.stop()
    assert load.failures == []
    end(last)
    wait_for_nothing(server)


def test_passed_sockets_are_passed_on(serve: Serve, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as passed:
        fds = [passed.fileno()]
        launcher = [LAUNCHER, str(fds[0]), "--", COMMAND]
        unix = f"unix:{tmp_path}/also.sock"
        server = serve(
            *launcher,
            f"--bind={unix}",
            "probe:app",
            bind=(),
            command=sys.executable,
            pass_fds=fds,
        )
        wait_for(lambda: serving(server, server.pid), "the first master's worker")
        addresses = server.addresses
        assert len(addresses) == 2
        new = upgrade(server)
        end(server.pid)
        third = upgrade(server, new)
        end(new)
        assert server.addresses == addresses
        (worker,) = serving(server, third)
        assert {address.request("GET", "/pid").text for address in addresses} == {str(worker)}
        end(third)
    wait_for_nothing(server)


def test_sockets_of_workers_are_made_by_the_new_ones(serve: Serve) -> None:
    server = serve("--reuse-port", "probe:app")
    wait_for(lambda: serving(server, server.pid), "the first master's worker")
    address = server.address
    new = upgrade(server)
    end(server.pid)
    assert server.address == address
    (worker,) = serving(server, new)
    assert address.request("GET", "/pid").text == str(worker)
    end(new)
    wait_for_nothing(server)
