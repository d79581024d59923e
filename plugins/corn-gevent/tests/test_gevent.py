"""The peculiarities of gevent: its names, and the patches that a master does not get."""

from __future__ import annotations

from pathlib import Path

import pytest

from corn_testkit.fixtures import Serve

APP = """
from gevent import monkey

monkey.patch_all()

import subprocess

def app(environ, start_response):
    program = subprocess.run(["echo", subprocess.Popen.__module__], capture_output=True)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [program.stdout]
"""

CONFIG = """
import os, signal, subprocess, time

def when_ready(server):
    own = [os.fork, os.waitpid, signal.signal, subprocess.Popen]
    server.log.info("Of the master: %s", " ".join(each.__module__ for each in own))
    server.log.info("Of the application: %s", time.sleep.__module__)
"""


@pytest.mark.parametrize(
    "name", ["gevent", "gevent_wsgi", "gevent_pywsgi", "egg:corn-gevent#gevent"]
)
def test_names(serve: Serve, name: str) -> None:
    server = serve(f"--worker-class={name}", "probe:app")
    assert server.get() == "hello"
    server.wait_for_log(f"Using worker: {name.rpartition('#')[2]}$")


def test_a_preloaded_application_may_patch_by_itself(serve: Serve, tmp_path: Path) -> None:
    """As many do in their first line; the master's own functions stay those of the system."""
    (tmp_path / "own.py").write_text(APP)
    (tmp_path / "config.py").write_text(CONFIG)
    server = serve("-k", "gevent", "--preload", "--config=config.py", "own:app", cwd=tmp_path)
    server.wait_for_log("Of the master: posix posix signal subprocess$")
    server.wait_for_log("Of the application: gevent.hub$")
    assert server.get() == "gevent.subprocess\n"
    server.stop()


PLUGIN = """
from importlib import metadata

seen = []

def after_patching(event):
    seen.append(type(event).__name__)

def app(environ, start_response):
    start_response("200 OK", [])
    return [repr((seen, metadata.entry_points.__name__)).encode()]
"""


def test_plugins_of_gevent_hear_of_the_patching(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "hears.py").write_text(PLUGIN)
    about = tmp_path / "hears-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: hears\nVersion: 1.0\n")
    for_all = "[gevent.plugins.monkey.did_patch_all]\nhears = hears:after_patching\n"
    (about / "entry_points.txt").write_text(for_all)
    server = serve("-k", "gevent", "hears:app", env={"PYTHONPATH": str(tmp_path)})
    # An application that asks for entry points later is answered by importlib itself.
    assert server.get() == repr((["GeventDidPatchAllEvent"], "entry_points"))
    server.stop()
