"""The worker gevent_websocket; what it serves is among the real applications of the project."""

from __future__ import annotations

from pathlib import Path

from corn_testkit.server import run


def test_without_the_library_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "geventwebsocket.py").write_text("raise ModuleNotFoundError('not here')")
    options = ("-k", "gevent_websocket", "--check-config", "probe:app")
    done = run(*options, env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("not here; pip install 'corn-gevent[websocket]'")
