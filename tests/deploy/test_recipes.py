"""Every recipe of examples/deploy that a test can start is started."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from corn_testkit.client import Address, listens
from corn_testkit.server import COMMAND, run
from corn_testkit.tls import Authority
from corn_testkit.waiting import DEADLINE, wait_for
from tests import nginx
from tests.deploy.recipes import RECIPES, Host, needs


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.fixture
def corn(host: Host) -> Iterator[int]:
    with host.running([COMMAND]) as pid:
        host.serves()
        yield pid


def answered(host: Host) -> bool:
    return host.socket.request("GET", "/").status == 200


@needs("nginx")
@needs("curl")
@pytest.mark.usefixtures("corn")
def test_nginx(host: Host, authority: Authority) -> None:
    certificate = authority.issue("shop.example.com")
    replaced = {
        "/etc/ssl/shop.pem": certificate.certfile,
        "/etc/ssl/shop.key": certificate.keyfile,
        "listen 443 ssl": f"listen unix:{host.run}/https.sock ssl",
        "listen 80 default_server": f"listen unix:{host.run}/http.sock default_server",
    }
    host.put("nginx/shop.conf", host.home / "shop.conf", replaced)
    with host.running(nginx.command(host.home, f"include {host.home}/shop.conf;")):
        front = Address(f"unix:{host.run}/https.sock")
        wait_for(lambda: listens(front), "nginx to listen")
        url = "https://shop.example.com/"
        command = ["curl", "-sS", "--unix-socket", front.url.removeprefix("unix:"), "-k", url]
        found = json.loads(subprocess.check_output(command, timeout=DEADLINE))
        assert found["wsgi.url_scheme"] == "https"
        assert found["HTTP_HOST"] == "shop.example.com"
        plain = Address(f"unix:{host.run}/http.sock").request(
            "GET", "/", headers={"Host": "shop.example.com"}
        )
        assert (plain.status, plain.header("Location")) == (301, url)


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
    service.mkdir()
    host.put("runit/run", service / "run", {"chpst -u shop ": ""})
    with host.running(["runsv", str(service)]):
        host.serves()
    # TERM takes the service down, and then runsv exits.
    assert not listens(host.socket)


def test_runit_log_script_is_a_shell_script() -> None:
    subprocess.run(["sh", "-n", RECIPES / "runit" / "log-run"], check=True)


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
    checked = command.replace("corn ", f"{COMMAND} --check-config ", 1)
    env = {**os.environ, "PORT": "8123"}
    done = subprocess.run(
        ["sh", "-c", checked], cwd=host.site, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("recipe", ["upstart/shop.conf", "gaffer/shop.ini"])
def test_files_for_programs_of_the_past_name_the_command(host: Host, recipe: str) -> None:
    (command,) = re.findall(r"^(?:exec|cmd =) (.+)$", host.text(recipe), re.M)
    done = run("--check-config", *shlex.split(command)[1:], cwd=host.site)
    assert done.returncode == 0, done.stderr


def test_dockerfile(host: Host) -> None:
    text = (RECIPES / "docker" / "Dockerfile").read_text()
    command = json.loads(text.rpartition("CMD ")[2])
    done = run("--check-config", *command[1:], cwd=host.site)
    assert done.returncode == 0, done.stderr
    assert "\nUSER shop\n" in text
    for name in re.findall(r"^COPY (?!--)(.+) \./$", text, re.M):
        assert (RECIPES / name).exists()


def test_kubernetes(host: Host) -> None:
    documents = list(yaml.safe_load_all((RECIPES / "kubernetes" / "shop.yaml").read_text()))
    kinds: dict[str, dict[str, Any]] = {each["kind"]: each for each in documents}
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
    target = kinds["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert target["name"] == kinds["Deployment"]["metadata"]["name"]
