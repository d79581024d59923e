"""Static files beside an application: what is sent, what is left to it, and what is refused."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from corn_testkit.client import Reply
from corn_testkit.fixtures import Serve
from corn_testkit.server import Server, run
from corn_testkit.waiting import wait_for

SCRIPT = b"console.log('hello')\n" * 4000
APP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"application: " + environ["PATH_INFO"].encode()]
"""


def make_files(home: Path) -> None:
    (home / "shop.py").write_text(APP)
    (home / "secret.txt").write_text("secret")
    static = home / "static"
    (static / "sub").mkdir(parents=True)
    (static / ".well-known").mkdir()
    (static / "app.js").write_bytes(SCRIPT)
    (static / "app.js.gz").write_bytes(gzip.compress(SCRIPT))
    (static / "app.3f2c9b1a.js").write_bytes(SCRIPT)
    (static / "sub" / "page.html").write_text("page")
    (static / "index.html").write_text("start")
    (static / ".env").write_text("secret")
    (static / ".well-known" / "security.txt").write_text("contact")
    (static / "out.txt").symlink_to(home / "secret.txt")
    (static / "packed.txt").write_text("plain")
    (static / "packed.txt.gz").symlink_to(home / "secret.txt")
    (static / "gone.txt").symlink_to(home / "nowhere")
    (static / "inside.txt").symlink_to(static / "sub" / "page.html")
    (static / "circle").symlink_to(static)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("site")
    make_files(home)
    return home


@pytest.fixture(scope="module")
def site(home: Path) -> Iterator[Server]:
    arguments = ["shop:app", "--static=/s=static", "--static=/other/=static/sub"]
    server = Server(home, [*arguments, "--bind=127.0.0.1:0"], home)
    server.started()
    yield server
    server.stop()
    server.kill()
    server.check_log()


def ask(site: Server, path: str, **fields: str) -> Reply:
    return site.request(path=path, headers={k.replace("_", "-"): v for k, v in fields.items()})


def test_file_is_sent_with_what_caches_need(site: Server) -> None:
    reply = ask(site, "/s/app.js")
    assert (reply.status, reply.body) == (200, SCRIPT)
    assert reply.header("Content-Type") == 'text/javascript; charset="utf-8"'
    assert reply.header("Cache-Control") == "max-age=60, public"
    etag = reply.header("ETag")
    assert etag and reply.header("Last-Modified")
    again = ask(site, "/s/app.js", If_None_Match=etag)
    assert (again.status, again.body) == (304, b"")


def test_name_with_a_hash_may_be_kept_for_ever(site: Server) -> None:
    assert "immutable" in (ask(site, "/s/app.3f2c9b1a.js").header("Cache-Control") or "")


def test_compressed_variant_is_sent_to_who_takes_it(site: Server) -> None:
    reply = ask(site, "/s/app.js", Accept_Encoding="gzip")
    assert reply.header("Content-Encoding") == "gzip"
    assert reply.header("Vary") == "Accept-Encoding"
    assert gzip.decompress(reply.body) == SCRIPT


@pytest.mark.parametrize("accept", ["identity", "gzip"])
def test_range(site: Server, accept: str) -> None:
    reply = ask(site, "/s/app.js", Range="bytes=10-19", Accept_Encoding=accept)
    content = SCRIPT if accept == "identity" else (site.home / "static" / "app.js.gz").read_bytes()
    assert (reply.status, reply.body) == (206, content[10:20])
    assert reply.header("Content-Range") == f"bytes 10-19/{len(content)}"


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("part", [{}, {"Range": "bytes=10-"}], ids=["whole", "part"])
def test_kernel_sends_the_file(site: Server, tmp_path: Path, part: dict[str, str]) -> None:
    (worker,) = site.wait_for_workers(1)
    trace, said = tmp_path / "trace", tmp_path / "said"
    with open(said, "wb") as errors:
        command = ["strace", "-f", "-e", "trace=sendfile", "-o", str(trace), "-p", str(worker)]
        strace = subprocess.Popen(command, stderr=errors)
    try:
        wait_for(lambda: "attached" in said.read_text(), "strace to watch the worker")
        assert ask(site, "/s/app.js", **part).status in (200, 206)
        wait_for(lambda: "sendfile(" in trace.read_text(), "the kernel to send it")
    finally:
        strace.terminate()
        strace.wait()


def test_head_and_other_methods(site: Server) -> None:
    reply = site.request("HEAD", "/s/app.js")
    assert (reply.status, reply.header("Content-Length")) == (200, str(len(SCRIPT)))
    assert site.request("POST", "/s/app.js", b"x").status == 405


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/other/page.html", "page"),
        ("/s/inside.txt", "page"),
        ("/s/.well-known/security.txt", "contact"),
    ],
)
def test_other_files(site: Server, path: str, text: str) -> None:
    assert ask(site, path).text == text


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/s/", "/s", "/s/nothing.js", "/app.js", "/s/sub", "/s/app.js/"),
        *("/s/.env", "/s/out.txt", "/s/gone.txt", "/s/packed.txt", "/s/packed.txt.gz"),
        *(
            "/s/../secret.txt",
            "/s/%2e%2e/secret.txt",
            "/s/..%2fsecret.txt",
            "/s/sub/../../secret.txt",
        ),
        *("/s//app.js", "/s/app.js%00", "/s/circle/app.js"),
    ],
)
def test_everything_else_is_the_application_s(site: Server, path: str) -> None:
    assert ask(site, path).text.startswith("application: ")


def test_log_names_what_is_left_out(site: Server) -> None:
    for name in ("out.txt", "packed.txt.gz"):
        site.wait_for_log(rf"static: \S*{name} leads out of its directory and is not served")


def test_with_reload_new_files_are_found_at_once(home: Path, serve: Serve) -> None:
    server = serve("shop:app", "--static=/s=static", "--static-index", "--reload", cwd=home)
    assert server.get("/s/") == "start"
    (home / "static" / "new.txt").write_text("new")
    assert server.get("/s/new.txt") == "new"
    for path in ("/s/.env", "/s/out.txt", "/s/%2e%2e/secret.txt"):
        assert server.get(path).startswith("application: ")
    os.unlink(home / "static" / "new.txt")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("static", "expected /URL=DIRECTORY, such as /static=/srv/shop/static, got ['static']"),
        ("s=static", "expected /URL=DIRECTORY, such as /static=/srv/shop/static, got ['s=static']"),
        ("/s=nowhere", "error: static: 'nowhere' is not a directory (flag --static)"),
    ],
)
def test_bad_directory(home: Path, value: str, message: str) -> None:
    done = run("--check-config", "shop:app", f"--static={value}", cwd=home)
    assert done.returncode == 1
    assert message in done.stderr


def test_url_that_is_given_twice(home: Path) -> None:
    done = run("--check-config", "shop:app", "--static=/s=static", "--static=/s/=.", cwd=home)
    assert done.returncode == 1
    assert "expected each URL once, and /s/ is there twice" in done.stderr


def test_bad_pattern(home: Path) -> None:
    done = run("--check-config", "shop:app", "--static-immutable=(", cwd=home)
    assert done.returncode == 1
    assert "expected a regular expression (missing )" in done.stderr


NATIVE = "import tornado.web\napp = tornado.web.Application([])\n"
ASGI = "async def app(scope, receive, send): ...\n"


@pytest.mark.parametrize(("worker", "code"), [("tornado", NATIVE), ("asgi", ASGI)])
def test_application_of_another_kind_is_refused(
    home: Path, serve: Serve, worker: str, code: str
) -> None:
    (home / f"of_{worker}.py").write_text(code)
    name = f"of_{worker}:app"
    server = serve(name, "-k", worker, "--static=/s=static", cwd=home, wait=False)
    server.wait(4)
    said = f"files can be served beside WSGI applications, and {name!r} is one of {worker}"
    assert said in server.log
    done = run("--check-config", "-k", worker, "--static=/s=static", name, cwd=home)
    assert (done.returncode, said in done.stderr) == (1, True)
