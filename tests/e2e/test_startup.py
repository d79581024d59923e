"""A start leaves few modules behind for the application, and a garbage collector that works.

Each module more puts the first response off.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from corn_testkit.fixtures import Serve
from corn_testkit.launcher import SWITCH
from tests.contract.layering import HEAVY

APP = """
import gc
import sys

collecting_at_import = gc.isenabled()

def app(environ, start_response):
    if environ["PATH_INFO"] == "/modules":
        body = "\\n".join(sys.modules)
    else:
        body = f"{collecting_at_import} {gc.isenabled()} {gc.get_freeze_count() > 10000}"
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body.encode()]
"""


@pytest.fixture
def apps(tmp_path: Path) -> Path:
    (tmp_path / "traces.py").write_text(APP)
    return tmp_path


def test_serving_imports_nothing_heavy(serve: Serve, apps: Path) -> None:
    env = {SWITCH: "no"}
    server = serve("--worker-class=sync", "traces:app", cwd=apps, env=env)
    loaded = server.get("/modules").split("\n")
    server.stop()
    assert {"corn_core.arbiter.arbiter", "corn_sync.worker", "traces"} <= set(loaded)
    assert HEAVY.isdisjoint(loaded), sorted(HEAVY.intersection(loaded))


@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["", "preload"])
def test_garbage_is_collected_when_the_application_is_loaded(
    serve: Serve, apps: Path, preload: tuple[str, ...]
) -> None:
    server = serve(*preload, "traces:app", cwd=apps)
    assert server.get() == "True True True"
    server.stop()


def test_config_file_may_turn_the_collector_off(serve: Serve, apps: Path) -> None:
    (apps / "corn.conf.py").write_text("import gc\ngc.disable()\n")
    server = serve("traces:app", cwd=apps)
    assert server.get() == "False False True"
    server.stop()


@pytest.mark.parametrize("before", ["enable", "disable"])
def test_command_leaves_the_collector_as_it_was(before: str) -> None:
    code = f"""if True:
        import gc
        from corn_core.cli import main
        gc.{before}()
        main(["--version"])
        print(gc.isenabled())
    """
    output = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert output.split()[-1] == str(before == "enable")
