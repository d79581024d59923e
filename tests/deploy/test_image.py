"""The image of the Dockerfile is built, and runs as process 1, not as root, on a read-only root.

Images cannot be fetched everywhere. In the place of the one that the Dockerfile starts from there
is an empty one, in which this machine's programs and its interpreter are mounted.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from corn_testkit.waiting import DEADLINE, wait_for
from tests.deploy.recipes import RECIPES, needs

BASE = "docker.io/library/python:3.13-slim"
LENT = ("/usr", sys.base_prefix)
LINKS = ("bin", "sbin", "lib", "lib64")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.getuid() != 0, reason="needs root"),
    *(needs(program) for program in ("buildah", "bwrap", "nsenter", "setpriv", "curl")),
]


class Builder:
    """buildah, with everything that it keeps in one directory."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._base()

    def __call__(self, *arguments: str) -> str:
        store = ("--storage-driver=vfs", f"--root={self.home}/images", f"--runroot={self.home}/run")
        command = ["buildah", *store, *arguments]
        return subprocess.check_output(command, text=True, timeout=DEADLINE * 10).strip()

    def _base(self) -> None:
        """Make the image that the Dockerfile starts from."""
        tree = self.home / "base"
        for directory in ("etc", "tmp", "usr"):
            (tree / directory).mkdir(parents=True)
        for name in LINKS:
            if Path("/", name).is_symlink():
                (tree / name).symlink_to(f"usr/{name}")
        (tree / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        (tree / "etc" / "group").write_text("root:x:0:\n")
        container = self("from", "scratch")
        self("copy", "--quiet", container, str(tree), "/")
        path = f"PATH={sys.base_prefix}/bin:/usr/sbin:/usr/bin"
        pip = ("--env=PIP_NO_INDEX=1", "--env=PIP_FIND_LINKS=/wheels")
        self("config", f"--env={path}", *pip, container)
        self("commit", "--quiet", container, BASE)

    def build(self, wheels: Path) -> str:
        """Build the recipe; returns where the file system of a container is, and tidies nothing."""
        lent = [f"--volume={each}:{each}:ro" for each in LENT]
        file = f"--file={RECIPES / 'docker' / 'Dockerfile'}"
        self(
            *("build", "--isolation=chroot", "--pull-never", "--quiet", "--tag=shop", file),
            *(*lent, f"--volume={wheels}:/wheels:ro", str(RECIPES)),
        )
        return self("mount", self("from", "--pull-never", "shop"))


@pytest.fixture
def builder(tmp_path: Path) -> Iterator[Builder]:
    made = Builder(tmp_path)
    yield made
    made("rm", "--all")
    shutil.rmtree(tmp_path / "images")


def test_image(builder: Builder, wheels: Path) -> None:
    root = builder.build(wheels)
    config = json.loads(builder("inspect", "--type=image", "shop"))["OCIv1"]["config"]
    user = int(config["User"])
    assert user > 0
    status, log = builder.home / "status", builder.home / "log"
    with open(status, "wb") as info, open(log, "wb") as errors:
        container = subprocess.Popen(
            [
                *("bwrap", "--info-fd", str(info.fileno()), "--die-with-parent"),
                *("--unshare-pid", "--as-pid-1", "--unshare-net", "--unshare-ipc"),
                *("--ro-bind", root, "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"),
                *(word for each in LENT for word in ("--ro-bind", each, each)),
                *("--clearenv", *_environment(config["Env"]), "--chdir", config["WorkingDir"]),
                *("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"),
                *("--no-new-privs", "--bounding-set=-all", *config["Cmd"]),
            ],
            pass_fds=[info.fileno()],
            stdin=subprocess.DEVNULL,
            stderr=errors,
        )
    try:
        wait_for(lambda: _told(status), "the container to start")
        pid = _told(status)
        answer = json.loads(wait_for(lambda: _asked(pid), "an answer"))
        assert answer["HTTP_HOST"] == "127.0.0.1:8000"
        about = Path(f"/proc/{pid}/status").read_text()
        assert f"Uid:\t{user}\t{user}\t{user}\t{user}\n" in about
        assert "CapEff:\t0000000000000000\n" in about and "CapBnd:\t0000000000000000\n" in about
        os.kill(pid, signal.SIGTERM)
        assert container.wait(DEADLINE) == 0
    finally:
        container.kill()
        container.wait()
        print(log.read_text())
    text = log.read_text()
    assert "Listening at: http://0.0.0.0:8000 (1)" in text
    assert "Handling signal: term" in text and "Shutting down: Master" in text
    assert "[WARNING]" not in text and "[ERROR]" not in text


def _environment(variables: list[str]) -> Iterator[str]:
    for variable in variables:
        name, _, value = variable.partition("=")
        yield from ("--setenv", name, value)


def _told(status: Path) -> int:
    """Return the id, out here, of process 1 of the container; 0 until it is known."""
    text = status.read_text()
    return int(json.loads(text)["child-pid"]) if text.endswith("}\n") else 0


def _asked(pid: int) -> str:
    """Ask the server from within its network; returns the body, empty while it does not answer."""
    command = ["nsenter", f"--target={pid}", "--net", "curl", "-s", "http://127.0.0.1:8000/"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
    return done.stdout
