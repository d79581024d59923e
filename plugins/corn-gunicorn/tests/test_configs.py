"""Configurations of Gunicorn as tutorials, images and projects have them, untouched.

Each serves as it is, or one report names all that is not carried over.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from signal import SIGHUP

import pytest

from corn_testkit.client import Address
from corn_testkit.fixtures import Serve
from corn_testkit.server import run
from corn_testkit.tls import Certificate

CONFIGS = Path(__file__).with_name("configs")


@pytest.fixture
def site(tmp_path: Path, certificate: Certificate) -> Path:
    """A directory with all the files, and with a certificate."""
    shutil.copytree(CONFIGS, tmp_path, dirs_exist_ok=True)
    shutil.copy(certificate.certfile, tmp_path / "cert.pem")
    shutil.copy(certificate.keyfile, tmp_path / "key.pem")
    return tmp_path


@pytest.mark.parametrize("name", ["tutorial", "greenlets", "observed"])
def test_file_serves_untouched(serve: Serve, site: Path, name: str) -> None:
    checked = run("--check-config", "-c", f"{name}.py", "shop:app", cwd=site)
    assert checked.returncode == 0, checked.stderr
    server = serve("-c", f"{name}.py", "shop:app", bind=(), cwd=site)
    # The path of a unix socket is relative to the server's directory.
    address = Address(server.address.url.replace("unix:", f"unix:{site}/"))
    assert address.request("GET", "/").text.startswith("http ")
    server.stop()


@pytest.mark.parametrize("name", ["hosted", "embedded", "handlers", "stubbed", "defaults"])
def test_report_is_empty(site: Path, name: str) -> None:
    outcome = run("--check-config", "-c", f"{name}.py", "shop:app", cwd=site)
    assert (outcome.returncode, re.findall("(?:error|ignored|note):.*", outcome.stderr)) == (0, [])


def test_logger_of_a_recipe_writes_what_it_writes_in_gunicorn(serve: Serve, site: Path) -> None:
    server = serve("-c", "handlers.py", "shop:app", bind=(), cwd=site)
    server.wait_for_log(r"^shop ready on \[<AddressFamily.AF_INET: 2>\]")
    assert server.get("/health").startswith("http ")
    assert server.get("/a%20b?c=%20d").startswith("http ")
    server.signal(SIGHUP)
    server.wait_for_log("^shop Worker exiting")
    assert server.get("/a").startswith("http ")
    server.stop()
    lines = (site / "access.json").read_text().splitlines()
    assert lines == ['{"path": "/a%20b", "query": "c=%20d"}', '{"path": "/a", "query": "-"}']
    assert '"GET ' not in server.log


def test_logger_without_a_set_up_of_its_own_leaves_the_lines_to_others(
    serve: Serve, site: Path
) -> None:
    server = serve("-c", "stubbed.py", "shop:app", cwd=site)
    assert server.get("/").startswith("http ")
    server.wait_for_log('^root corn.access .*"GET / HTTP/1.1" 200')
    server.stop()
    assert server.log.count("Listening at") == 1


LIVE = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"live"})
"""

REPORTS = {
    "encrypted": [
        *("permit_obsolete_folding", "casefold_http_method", "ssl_version"),
    ],
    "pokes": [
        *("gunicorn.SERVER_SOFTWARE", "'preload'", "'worker'", "'log_level'", "'pre_frok'"),
        *("post_fork", "post_worker_init", "when_ready"),
    ],
    "latest": [
        *("reload_engine", "header_map", "http_protocols", "http2_max_concurrent_streams"),
        *("http2_cleartext", "protocol", "uwsgi_allow_ips", "root_path", "http_parser"),
        *("control_socket", "dirty_apps", "dirty_workers", "enable_backlog_metric"),
        "dirty_post_fork",
    ],
    "old": ["x_forwarded_for_header"],
}
"""What each report names, in its order, beside notes."""


@pytest.mark.parametrize("name", REPORTS)
def test_one_report_names_all_that_is_not_carried_over(site: Path, name: str) -> None:
    outcome = run("--check-config", "-c", f"{name}.py", "shop:app", cwd=site)
    said = re.findall(r"^(?:error|ignored): ([^\s:]+(?: class)?)", outcome.stderr, re.MULTILINE)
    assert said == REPORTS[name]
    assert outcome.returncode == 1


@pytest.mark.parametrize("name", ["encrypted", "old"])
def test_file_serves_without_what_the_report_names(serve: Serve, site: Path, name: str) -> None:
    server = serve("-c", f"{name}.py", "shop:app", bind=(), cwd=site)
    assert "is taken for" in server.log
    server.stop()


def test_the_image_takes_the_asgi_worker(serve: Serve, site: Path) -> None:
    (site / "live.py").write_text(LIVE)
    server = serve("-c", "image.py", "live:app", cwd=site)
    server.wait_for_log("worker_class 'uvicorn.workers.UvicornWorker' is taken for 'asgi'")
    assert server.get() == "live"
    server.stop()


def test_module_without_a_counterpart_says_what_to_do(site: Path) -> None:
    (site / "patched.py").write_text("import gunicorn.http\n")
    outcome = run("--check-config", "-c", "patched.py", "shop:app", cwd=site)
    (last,) = outcome.stderr.splitlines()[-1:]
    assert last.startswith("error: patched.py line 1: ModuleNotFoundError: gunicorn.http has no")
    assert last.endswith("neither is to be patched")


def test_the_real_package_is_noted(site: Path) -> None:
    (site / "gunicorn").mkdir()
    (site / "gunicorn" / "__init__.py").touch()
    (site / "plain.py").write_text("import gunicorn\n")
    outcome = run("--check-config", "-c", "plain.py", "shop:app", cwd=site)
    assert outcome.returncode == 0
    assert outcome.stderr.splitlines() == [
        "note: gunicorn is installed, so what is imported from it is not corn's (plain.py line 1)",
        "    pip uninstall gunicorn lets corn's counterparts take its place",
    ]
