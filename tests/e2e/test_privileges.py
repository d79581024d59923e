"""user, group, initgroups and umask, with real users; only root can try most of it."""

from __future__ import annotations

import grp
import json
import os
import pwd
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from signal import SIGHUP, SIGTTIN, SIGUSR1
from typing import Any

import pytest

from corn_testkit.fixtures import Serve
from corn_testkit.privileges import (
    GROUP,
    USER,
    closed_to_others,
    command_for_all,
    gid,
    script,
    uid,
)
from corn_testkit.waiting import alive, wait_for

APP = """
import json
import os

FACTS = {
    "import": [os.getuid(), os.getgid()],
    "uids": os.getresuid(),
    "gids": os.getresgid(),
    "groups": os.getgroups(),
    "variables": {name: os.environ.get(name) for name in ("HOME", "USER")},
}

def app(environ, start_response):
    start_response("200 OK", [])
    return [json.dumps(FACTS).encode()]
"""


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that every user may enter, unlike pytest's own, with an application."""
    directory = Path(tempfile.mkdtemp(prefix="corn-test-"))
    try:
        directory.chmod(0o755)
        (directory / "identity.py").write_text(APP)
        (directory / "identity.py").chmod(0o644)
        yield directory
    finally:
        shutil.rmtree(directory)


@pytest.fixture
def start(serve: Serve, public: Path) -> Serve:
    """Starts servers in the public directory, which can do without root's home directory."""
    return partial(serve, cwd=public, command=command_for_all(public))


def facts(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


def owner(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_uid, status.st_gid


def uid_of(pid: int) -> list[str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1:] for line in lines if line.startswith("Uid:"))


@pytest.mark.parametrize("numeric", [False, True], ids=["names", "numbers"])
def test_workers_drop_and_the_master_does_not(start: Serve, public: Path, numeric: bool) -> None:
    user, group = (str(uid()), str(gid())) if numeric else (USER, GROUP)
    variables = {"HOME": "/root", "USER": "root"}
    server = start("-u", user, "-g", group, "identity:app", env=variables)
    found = facts(server.get())
    assert found["import"] == [uid(), gid()], "the application is imported after the drop"
    assert found["uids"] == [uid()] * 3 and found["gids"] == [gid()] * 3
    assert found["groups"] == [], "the groups of root are gone"
    assert found["variables"] == variables
    assert uid_of(server.pid) == ["0"] * 4
    server.stop()


def test_group_without_user(start: Serve, public: Path) -> None:
    server = start(f"--group={GROUP}", "identity:app")
    found = facts(server.get())
    assert found["uids"] == [0] * 3 and found["gids"] == [gid()] * 3
    server.stop()


def test_user_without_group_is_pointed_out(start: Serve, public: Path) -> None:
    server = start(f"--user={USER}", "identity:app")
    server.wait_for_log(r"\[WARNING\] user is set and group is not")
    assert facts(server.get())["gids"] == [0] * 3
    server.stop()


def user_with_groups() -> str:
    """Find a user who is a member of a group besides their own."""
    for group in grp.getgrall():
        for name in group.gr_mem:
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            if entry.pw_uid != 0 and entry.pw_gid != group.gr_gid:
                return name
    # There is always this one; his own group is among his groups, too.
    return USER


def test_initgroups(start: Serve, public: Path) -> None:
    entry = pwd.getpwnam(user_with_groups())
    server = start(f"-u{entry.pw_name}", f"-g{GROUP}", "--initgroups", "identity:app")
    expected = os.getgrouplist(entry.pw_name, gid())
    assert sorted(facts(server.get())["groups"]) == sorted(expected)
    server.stop()


def test_post_fork_is_privileged_and_post_worker_init_is_not(start: Serve, public: Path) -> None:
    config = public / "config.py"
    config.write_text(
        "import os\n"
        f"user, group = {USER!r}, {GROUP!r}\n"
        "def post_fork(server, worker): worker.log.info('post_fork as %s.', os.geteuid())\n"
        "def post_worker_init(worker): worker.log.info('init as %s.', os.geteuid())\n"
    )
    server = start(f"--config={config}", "identity:app")
    server.wait_for_log(r"post_fork as 0\.")
    server.wait_for_log(rf"init as {uid()}\.")
    server.stop()


def test_heartbeats_and_requests_go_on_in_worker_tmp_dir(start: Serve, public: Path) -> None:
    """Root's directory, which the worker may not enter: it has the mapping from its birth."""
    private = public / "board"
    private.mkdir(mode=0o700)
    server = start(
        *("-u", USER, "-g", GROUP, f"--worker-tmp-dir={private}", "--timeout=2"),
        *("--max-requests=3", "identity:app"),
    )
    (first,) = server.wait_for_workers(1)
    server.wait_for_log("Booting worker")
    for _ in range(3):
        assert facts(server.get())["uids"] == [uid()] * 3
    # It has counted its requests and beaten: it is replaced, and not killed.
    server.wait_for_log(rf"\[{first}\] \[INFO\] Worker exiting")
    assert "TIMEOUT" not in server.log
    server.stop()


def test_logs_are_reopened_after_logrotate(start: Serve, public: Path) -> None:
    """In a directory where the worker may create nothing, as /var/log is."""
    error, access = public / "error.log", public / "access.log"
    server = start(
        *("-u", USER, "-g", GROUP, f"--error-logfile={error}", f"--access-logfile={access}"),
        *("--access-logformat=%(U)s %(p)s", "identity:app"),
        bind=(f"unix:{public}/sock",),
        wait=False,
    )
    wait_for(lambda: error.exists() and "Booting worker" in error.read_text(), "a worker")
    assert owner(error) == owner(access) == (uid(), gid())

    def request(path: str) -> None:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(f"{public}/sock")
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert client.recv(12) == b"HTTP/1.1 200"

    request("/before")
    error.rename(public / "error.log.1")
    access.rename(public / "access.log.1")
    # As with "create 0640 root adm": the group was chosen on purpose, and stays.
    access.touch(mode=0o640)
    os.chown(access, 0, 4)
    server.signal(SIGUSR1)
    wait_for(lambda: error.exists() and owner(error) == (uid(), gid()), "the new error log")
    wait_for(lambda: owner(access) == (uid(), 4), "the new access log")
    request("/after")
    wait_for(lambda: "/after" in access.read_text(), "the line in the new log")
    assert "/after" not in (public / "access.log.1").read_text()
    server.stop()
    assert "Cannot reopen" not in error.read_text() + (public / "error.log.1").read_text()
    assert "Worker exiting" in error.read_text(), "the worker writes to the new file too"


def test_files_of_others_are_not_given_away(start: Serve, public: Path) -> None:
    """A user who may write to the log directory must not be given the target of a link in it."""
    precious, linked = public / "precious", public / "linked"
    precious.write_text("")
    linked.write_text("")
    (public / "symbolic.log").symlink_to(precious)
    os.link(linked, public / "hard.log")
    device = os.stat("/dev/null")
    server = start(
        *("-u", USER, "-g", GROUP, f"--access-logfile={public}/hard.log", "identity:app"),
    )
    server.get()
    server.stop()
    for log in ("symbolic.log", "/dev/null"):
        server = start(f"-u{USER}", f"-g{GROUP}", f"--access-logfile={log}", "identity:app")
        server.get()
        server.stop()
    assert owner(precious) == owner(linked) == (0, 0)
    after = os.stat("/dev/null")
    assert (after.st_uid, after.st_gid) == (device.st_uid, device.st_gid)


@pytest.mark.parametrize(
    ("umask", "mode"), [((), 0o777), (("-m", "0007"), 0o770), (("--umask=0x3f",), 0o700)]
)
def test_umask_of_unix_sockets(
    serve: Serve, tmp_path: Path, umask: tuple[str, ...], mode: int
) -> None:
    path = tmp_path / "sock"
    server = serve(*umask, "probe:app", bind=(f"unix:{path}",))
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert server.get() == "hello"
    server.stop()


def test_umask_is_not_the_applications(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "writing.py").write_text(
        "import os\n"
        "before = os.umask(0)\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [b'%o' % before]\n"
    )
    ours = os.umask(0o022)
    os.umask(ours)
    server = serve("--umask=0077", "writing:app", bind=(f"unix:{tmp_path}/s",), cwd=tmp_path)
    assert server.get() == f"{ours:o}"
    server.stop()


def test_unix_socket_belongs_to_user_and_group(start: Serve, public: Path) -> None:
    path = public / "sock"
    server = start("-u", USER, "-g", GROUP, "-m007", "identity:app", bind=(f"unix:{path}",))
    assert owner(path) == (uid(), gid())
    assert stat.S_IMODE(path.stat().st_mode) == 0o770
    server.get()
    server.stop()
    assert not path.exists()


def test_reload_changes_the_user(start: Serve, public: Path) -> None:
    config, access = public / "config.py", public / "access.log"
    config.write_text("")
    arguments = (f"--config={config}", f"--access-logfile={access}", "identity:app")
    server = start(*arguments)
    assert facts(server.get())["uids"] == [0] * 3
    assert owner(access) == (0, 0)
    (old,) = server.wait_for_workers(1)
    config.write_text(f"user, group = {USER!r}, {GROUP!r}\n")
    server.signal(SIGHUP)
    wait_for(lambda: facts(server.get())["uids"] == [uid()] * 3, "a worker of the other user")
    assert owner(access) == (uid(), gid())
    wait_for(lambda: not alive(old), "the end of root's worker")
    # A worker that is forked later is of the same user.
    server.signal(SIGTTIN)
    workers = server.wait_for_workers(2)
    wait_for(lambda: all(uid_of(pid) == [str(uid())] * 4 for pid in workers), "both to drop")
    server.stop()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--user=no-such-user"], r"user: expected .* a user.*'no-such-user' \(flag --user\)"),
        (["-u", "-1"], r"user: expected .*'-1'"),
        (["-u", "4294967295"], r"user: expected .*'4294967295'"),
        (["--group=no-such-group"], r"group: expected .* a group.*'no-such-group'"),
        (["--umask=rwx"], r"umask: expected .*'rwx' \(flag --umask\)"),
        (["-m", "0888"], r"umask: expected .*'0888'"),
        (["-m", "0o1777"], r"umask: expected .*'0o1777'"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_bad_values(serve: Serve, arguments: list[str], message: str) -> None:
    server = serve(*arguments, "probe:app", wait=False)
    server.wait(1)
    server.wait_for_log(message)
    assert len(server.log.splitlines()) == 1


def test_user_without_groups_cannot_have_them(start: Serve, public: Path) -> None:
    numbers = {entry.pw_uid for entry in pwd.getpwall()}
    stranger = next(number for number in range(54321, 60000) if number not in numbers)
    server = start(f"--user={stranger}", "--initgroups", "identity:app", wait=False)
    server.wait(1)
    assert f"initgroups: user {stranger} has no entry" in server.log


@pytest.mark.parametrize("setting", ["--user=root", "--group=root", "--initgroups"])
def test_without_privileges_it_does_not_start(serve: Serve, public: Path, setting: str) -> None:
    """Started by an ordinary user: one line, before the pidfile and the socket."""
    server = as_nobody(serve, public)(setting, f"--pid={public}/pid", "identity:app")
    server.wait(1)
    assert len(server.log.splitlines()) == 1
    name = setting.removeprefix("--").partition("=")[0]
    server.wait_for_log(rf"^error: {name} \(flag --{name}\): this process \(user {uid()}\) may not")
    assert "Operation not permitted" in server.log


def test_the_same_user_needs_no_privileges(serve: Serve, public: Path) -> None:
    server = as_nobody(serve, public)(f"-u{USER}", f"-g{uid_group()}", "identity:app")
    assert facts(server.started().get())["uids"] == [uid()] * 3
    server.stop()


def test_root_without_capabilities_does_not_start(serve: Serve, public: Path) -> None:
    """As in a container that was stripped of them: the user id alone does not tell."""
    start = through_setpriv(serve, public, "--bounding-set=-setuid,-setgid", "--inh-caps=-all")
    server = start(f"-u{USER}", "identity:app")
    server.wait(1)
    server.wait_for_log(r"^error: user .* \(user 0\) may not switch to user")


def test_check_config_needs_no_privileges(serve: Serve, public: Path) -> None:
    server = as_nobody(serve, public)("--user=root", "--check-config", "identity:app")
    server.wait(0)
    assert server.log == ""


def uid_group() -> int:
    return pwd.getpwnam(USER).pw_gid


def through_setpriv(serve: Serve, public: Path, *arguments: str) -> Serve:
    """Starts servers by way of setpriv(1), which changes itself and then executes corn."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("setpriv (util-linux) is not installed")
    command = script(public / "start", setpriv, *arguments, command_for_all(public))
    return partial(serve, cwd=public, command=command, wait=False)


def as_nobody(serve: Serve, public: Path) -> Serve:
    public.chmod(0o777)
    group = f"--regid={uid_group()}"
    return through_setpriv(serve, public, f"--reuid={USER}", group, "--clear-groups")


def test_a_closed_directory_is_noticed(tmp_path: Path) -> None:
    """For that reason the tests above are skipped."""
    (tmp_path / "inner").mkdir(mode=0o755)
    tmp_path.chmod(0o700)
    assert closed_to_others(str(tmp_path / "inner")) == str(tmp_path.resolve())
