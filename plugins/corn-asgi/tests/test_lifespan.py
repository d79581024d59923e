"""The modes of lifespan, and what counts as an application."""

from __future__ import annotations

from pathlib import Path

import pytest

from corn_testkit.fixtures import Serve
from corn_testkit.server import ASGI_APPS, run

APPS = Path(__file__).with_name("apps")
ASGI = ("-k", "asgi")


@pytest.mark.parametrize(
    ("name", "mode", "message"),
    [
        ("failing", "auto", "'life:failing': the application's startup has failed:"),
        ("raising", "on", "asgi_lifespan is on, and the application raised RuntimeError: no data"),
        ("returning", "on", "asgi_lifespan is on, and the application returned without lifespan."),
        ("wrong", "on", "got lifespan.startup.finished, expected lifespan.startup.complete or"),
        ("create_nothing()", "auto", "gives NoneType, not an ASGI application"),
    ],
)
def test_application_that_does_not_start(serve: Serve, name: str, mode: str, message: str) -> None:
    server = serve(*ASGI, f"--asgi-lifespan={mode}", f"life:{name}", cwd=ASGI_APPS, wait=False)
    server.tracebacks_expected = True
    server.wait(status=4)
    assert message in server.log
    assert server.log.count("Booting worker") == 1


@pytest.mark.parametrize(
    ("name", "mode"), [("raising", "auto"), ("returning", "auto"), ("raising", "off")]
)
def test_application_without_lifespan(serve: Serve, name: str, mode: str) -> None:
    server = serve(*ASGI, f"--asgi-lifespan={mode}", f"life:{name}", cwd=ASGI_APPS)
    assert server.get().endswith(" []")
    assert ("does not support lifespan" in server.log) == (mode == "auto")
    server.stop()


@pytest.mark.parametrize("name", ["create_app()", "create_later('complete')"])
def test_application_that_is_made(serve: Serve, name: str) -> None:
    server = serve(*ASGI, f"life:{name}", cwd=ASGI_APPS)
    assert "'shared'" in server.get()
    server.stop()


# -- what counts as an application ---------------------------------------------------------


@pytest.mark.parametrize(
    ("worker", "name", "message"),
    [
        ("asgi", "kinds:wsgi", "'kinds:wsgi' is a WSGI application, and worker class 'asgi' serv"),
        ("asgi", "kinds:wsgi", "'corn -k gthread kinds:wsgi'"),
        ("asgi", "life:create_app", "did you mean 'life:create_app()'?"),
        ("asgi", "kinds:asgi2", "asgiref.compatibility.guarantee_single_callable(app)"),
        ("sync", "life:app", "'life:app' is an ASGI application, and worker class 'sync' serves"),
        ("sync", "life:app", "'corn -k asgi life:app'"),
        ("aiohttp", "life:app", "'life:app' is an ASGI application, and worker class 'aiohttp'"),
    ],
)
def test_wrong_worker_says_what_to_type(worker: str, name: str, message: str) -> None:
    done = run("-k", worker, "--check-config", f"--pythonpath={ASGI_APPS}", name, cwd=APPS)
    assert done.returncode == 1
    assert message in done.stderr


@pytest.mark.parametrize("name", ["app", "create_app()", "create_later()"])
def test_check_config_loads_the_application(name: str) -> None:
    settings = ("--asgi-loop=asyncio", "--asgi-lifespan=on", "--websocket-max-message-size=1")
    done = run(*ASGI, *settings, "--check-config", f"life:{name}", cwd=ASGI_APPS)
    assert (done.returncode, done.stderr) == (0, "")


def test_check_config_finds_one_that_is_not_there() -> None:
    done = run(*ASGI, "--check-config", "life:nothing", cwd=ASGI_APPS)
    assert done.returncode == 1
    assert "has no 'nothing'" in done.stderr
