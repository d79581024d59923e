"""The lifespan of an application under the asgi worker, and what counts as an application."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from signal import SIGHUP, SIGTERM

import pytest

from corn_testkit.asgi.serving import serving
from corn_testkit.client import get
from corn_testkit.fixtures import Serve
from corn_testkit.server import Server, run
from corn_testkit.waiting import wait_for

APPS = Path(__file__).with_name("apps")
ASGI = ("-k", "asgi")


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(
        tmp_path_factory.mktemp("life"), APPS, *ASGI, "asgi_life:create_later('complete')"
    ) as server:
        yield server


def test_the_state_is_the_workers_and_a_copy_for_each_request(life: Server) -> None:
    pid = life.wait_for_log(r"^starts in (\d+)$")[1]
    for _ in range(2):
        assert life.get("/") == f"{pid} [('shared', {pid})]"


def test_startup_and_shutdown_in_their_order(serve: Serve) -> None:
    server = serve(*ASGI, "asgi_life:create_app()", cwd=APPS)
    assert server.get("/")
    server.stop()
    assert server.log.count("shuts down") == 1
    assert server.log.index("shuts down") < server.log.index("Worker exiting")


@pytest.mark.parametrize(
    ("name", "mode", "message"),
    [
        ("failing", "auto", "'asgi_life:failing': the application's startup has failed:"),
        ("raising", "on", "asgi_lifespan is on, and the application raised RuntimeError: no data"),
        ("returning", "on", "asgi_lifespan is on, and the application returned without lifespan."),
        ("wrong", "on", "got lifespan.startup.finished, expected lifespan.startup.complete or"),
        ("create_nothing()", "auto", "gives NoneType, not an ASGI application"),
    ],
)
def test_a_failed_startup_is_a_failed_boot(
    serve: Serve, name: str, mode: str, message: str
) -> None:
    server = serve(*ASGI, f"--asgi-lifespan={mode}", f"asgi_life:{name}", cwd=APPS, wait=False)
    server.tracebacks_expected = True
    server.wait(status=4)
    assert message in server.log
    assert server.log.count("Booting worker") == 1


@pytest.mark.parametrize(
    ("name", "mode"), [("raising", "auto"), ("returning", "auto"), ("raising", "off")]
)
def test_applications_without_lifespan(serve: Serve, name: str, mode: str) -> None:
    server = serve(*ASGI, f"--asgi-lifespan={mode}", f"asgi_life:{name}", cwd=APPS)
    assert server.get("/").endswith(" []")
    assert ("does not support lifespan" in server.log) == (mode == "auto")
    server.stop()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ending_badly", "The application's shutdown has failed: not in order"),
        ("ending_raising", "RuntimeError: cannot shut down"),
        ("ending_never", "The application's shutdown has not ended in time"),
    ],
)
def test_shutdowns_that_fail(serve: Serve, name: str, message: str) -> None:
    server = serve(*ASGI, "--graceful-timeout=2", f"asgi_life:{name}", cwd=APPS)
    server.tracebacks_expected = True
    assert server.get("/")
    server.stop()
    assert message in server.log


def test_nothing_is_served_before_startup_and_term_ends_a_hanging_one(serve: Serve) -> None:
    server = serve(*ASGI, "asgi_life:hanging", cwd=APPS)
    server.wait_for_log("^starts in")
    with server.address.connect() as client:
        client.sendall(get("/"))
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1)
    server.stop()


def test_a_reload_that_fails_keeps_the_old_workers(serve: Serve, tmp_path: Path) -> None:
    application = tmp_path / "changing.py"
    application.write_text("from asgi_life import app")
    server = serve(*ASGI, f"--pythonpath={tmp_path}", "changing:app", cwd=APPS)
    server.tracebacks_expected = True
    before = server.get("/")
    application.write_text("from asgi_life import failing as app")
    server.signal(SIGHUP)
    server.wait_for_log("startup has failed")
    assert server.get("/") == before
    application.write_text("from asgi_life import ending_badly as app")
    server.signal(SIGHUP)
    wait_for(lambda: server.get("/") != before, "the new worker")
    server.stop()


def test_a_request_that_never_ends_does_not_prevent_the_shutdown(serve: Serve) -> None:
    server = serve(*ASGI, "--graceful-timeout=2", "--access-logfile=-", "asgi_life:app", cwd=APPS)
    with server.address.connect() as client:
        client.sendall(get("/hang"))
        server.wait_for_log("^hanging$")
        server.signal(SIGTERM)
        server.wait()
    assert server.log.index("hanging ends") < server.log.index("shuts down")
    assert '"GET /hang HTTP/1.1" 500 ' in server.output


# -- what counts as an application ---------------------------------------------------------


@pytest.mark.parametrize(
    ("worker", "name", "message"),
    [
        ("asgi", "wsgi", "'asgi_life:wsgi' is a WSGI application, and worker class 'asgi' serves"),
        ("asgi", "wsgi", "'corn -k gthread asgi_life:wsgi'"),
        ("asgi", "create_app", "did you mean 'asgi_life:create_app()'?"),
        ("asgi", "asgi2", "asgiref.compatibility.guarantee_single_callable(app)"),
        ("sync", "app", "'asgi_life:app' is an ASGI application, and worker class 'sync' serves"),
        ("sync", "app", "'corn -k asgi asgi_life:app'"),
        ("aiohttp", "app", "'asgi_life:app' is an ASGI application, and worker class 'aiohttp'"),
    ],
)
def test_the_wrong_worker_says_what_to_type(worker: str, name: str, message: str) -> None:
    done = run("-k", worker, "--check-config", f"asgi_life:{name}", cwd=APPS)
    assert done.returncode == 1
    assert message in done.stderr


@pytest.mark.parametrize("name", ["app", "create_app()", "create_later()"])
def test_check_config_loads_the_application(name: str) -> None:
    done = run(*ASGI, "--check-config", f"asgi_life:{name}", cwd=APPS)
    assert (done.returncode, done.stderr) == (0, "")


def test_check_config_finds_one_that_is_not_there() -> None:
    done = run(*ASGI, "--check-config", "asgi_life:nothing", cwd=APPS)
    assert done.returncode == 1
    assert "has no 'nothing'" in done.stderr
