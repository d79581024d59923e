"""The dashboard: its answers, its limits, and the page in a real browser."""

from __future__ import annotations

import base64
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from signal import SIGHUP
from typing import Any

import pytest
import websocket

from corn_control.dashboard import VIEWERS
from corn_testkit.fixtures import Serve
from corn_testkit.gate import Gate
from corn_testkit.server import Server, run
from corn_testkit.waiting import wait_for

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def shown(serve: Serve, *arguments: str) -> tuple[Server, int]:
    server = serve("--dashboard=127.0.0.1:0", "--timeout=60", *arguments, "probe:app")
    port = server.wait_for_log(r"Dashboard at: http://127.0.0.1:(\d+)")[1]
    return server, int(port)


def ask(port: int, path: str = "/", method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, dict(response.headers), response.read()
    finally:
        connection.close()


class Events:
    """A client that reads events."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=60)
        self._connection.request("GET", "/events")
        self._response = self._connection.getresponse()
        assert self._response.getheader("Content-Type") == "text/event-stream"

    def next(self) -> dict[str, Any]:
        line = self._response.readline()
        assert line.startswith(b"data: ") and self._response.readline() == b"\n"
        event: dict[str, Any] = json.loads(line[6:])
        return event

    def close(self) -> None:
        self._response.close()
        self._connection.close()


def test_answers(serve: Serve, gate: Gate) -> None:
    server, port = shown(serve, "--workers=2", "--env=PASSWORD=hunter2")
    status, fields, page = ask(port)
    assert status == 200 and page.startswith(b"<!DOCTYPE html>")
    # One file: nothing is loaded from anywhere, and nothing could be.
    assert not re.search(rb"(?:src|href|@import|url)\s*[=(]", page)
    assert "default-src 'none'" in fields["Content-Security-Policy"]
    assert ask(port, method="HEAD")[2] == b""
    assert [ask(port, "/", each)[0] for each in ("POST", "DELETE")] == [405, 405]
    assert [ask(port, each)[0] for each in ("/x", "/../etc/passwd")] == [404, 404]

    events = Events(port)
    with server.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        wait_for(lambda: (events.next()["requests"][0]["method"]) == "GET", "the request")
        gate.open()
    server.signal(SIGHUP)
    wait_for(lambda: events.next()["status"]["generation"] == 2, "the reload")
    event = wait_for(lambda: _settled(events.next()), "the new workers")
    assert sum(event["status"]["durations"]["counts"]) == 1
    assert any("Handling signal: hup" in text for _, _, text in event["log"])
    # It shows no settings, since they may hold secrets and any client may look.
    assert "hunter2" not in json.dumps(event) and b"hunter2" not in page
    events.close()
    server.stop()


def _settled(event: dict[str, Any]) -> dict[str, Any]:
    counted = event["status"]["workers"]
    return event if counted["serving"] == 2 and not counted["draining"] else {}


def test_clients_that_do_nothing_do_not_hold_up_the_master(serve: Serve) -> None:
    server, port = shown(serve)
    crowd = [socket.create_connection(("127.0.0.1", port)) for _ in range(VIEWERS + 1)]
    (turned_away,) = wait_for(lambda: select.select(crowd, [], [], 0)[0], "one too many")
    assert turned_away.recv(1) == b""
    bad = next(each for each in crowd if each is not turned_away)
    bad.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
    bad.settimeout(60)
    assert bad.recv(12) == b"HTTP/1.1 400"
    for each in crowd:
        each.close()
    wait_for(lambda: _answers(port), "room for another one")
    assert server.get() == "hello"
    server.stop()


def _answers(port: int) -> bool:
    try:
        return ask(port)[0] == 200
    except OSError:
        return False


def test_an_address_that_is_in_use(serve: Serve) -> None:
    _, port = shown(serve)
    second = run(f"--dashboard=127.0.0.1:{port}", "-b127.0.0.1:0", "probe:app")
    assert second.returncode == 1
    assert "dashboard: cannot listen on" in second.stderr


@pytest.mark.parametrize("value", ["8001", "127.0.0.1", "fd://3", "unix:@name"])
def test_an_address_that_is_none(value: str) -> None:
    done = run(f"--dashboard={value}", "--check-config", "probe:app")
    assert done.returncode == 1 and "dashboard: expected an address with a" in done.stderr


# -- in a browser --------------------------------------------------------------------


class Browser:
    """A headless Chromium, driven by its DevTools protocol."""

    def __init__(self, home: Path) -> None:
        assert CHROMIUM is not None
        self._errors = home / "stderr"
        with open(self._errors, "wb") as errors:
            self._process = subprocess.Popen(
                [
                    *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
                    *("--remote-debugging-port=0", "--remote-allow-origins=*"),
                    *(f"--user-data-dir={home / 'profile'}", "about:blank"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
        found = wait_for(
            lambda: re.search(r"ws://127.0.0.1:(\d+)/\S+", self._errors.read_text()), "Chromium"
        )
        assert found is not None
        connection = HTTPConnection("127.0.0.1", int(found[1]), timeout=60)
        connection.request("GET", "/json")
        pages = json.loads(connection.getresponse().read())
        connection.close()
        url = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
        self._socket = websocket.create_connection(url, timeout=60)
        self._number = 0
        self.complaints: list[str] = []
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": arguments}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == self._number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result
            if message["method"] in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.complaints.append(str(message["params"]))

    def value(self, expression: str) -> Any:
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return found["result"].get("value")

    def resize(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def close(self) -> None:
        self._socket.close()
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@pytest.fixture
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    made = Browser(tmp_path_factory.mktemp("browser"))
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_page(serve: Serve, gate: Gate, browser: Browser) -> None:
    server, port = shown(serve, "--workers=3")
    browser.resize(1280, 800)
    browser.call("Page.navigate", url=f"http://127.0.0.1:{port}/")
    wait_for(lambda: browser.value("document.querySelectorAll('.tile.idle').length") == 3, "tiles")
    with server.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        wait_for(lambda: "GET /wait" in browser.value("document.body.innerText"), "the request")
        assert browser.value("document.querySelectorAll('.tile.busy').length") == 1
        for width, columns in ((1280, 4), (390, 2)):
            browser.resize(width, 800)
            # Nothing sticks out at the side, and the plots are arranged for the width.
            assert browser.value("document.documentElement.scrollWidth <= innerWidth") is True
            places = "[...document.querySelectorAll('.plot')].map(plot => plot.offsetLeft)"
            assert browser.value(f"new Set({places}).size") == columns
            picture = os.environ.get("CORN_PICTURES")
            if picture:
                _take_picture(browser, Path(picture) / f"dashboard-{width}.png")
        gate.open()
    text = browser.value("document.body.innerText")
    assert "probe:app: serving" in text and "generation 1, 3 of 3 sync workers" in text
    assert "Booting worker" not in text and "Dashboard at:" in text, "the master's log only"
    wait_for(
        lambda: (
            browser.value("document.querySelector('polyline').getAttribute('points')").count(" ")
            >= 2
        ),
        "the plot to grow",
    )
    assert browser.complaints == []
    server.stop()
    wait_for(lambda: browser.value("document.getElementById('lost').hidden") is False, "the end")


def _take_picture(browser: Browser, path: Path) -> None:
    """Write what the browser shows, for a person to look at."""
    data = browser.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
    path.write_bytes(base64.b64decode(data))
