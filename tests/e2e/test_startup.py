"""What a server has imported when it serves: each module more puts the first response off."""

from __future__ import annotations

from pathlib import Path

from tests.contract.layering import HEAVY
from tests.e2e.conftest import Serve

APP = """
import sys

def app(environ, start_response):
    body = "\\n".join(sys.modules).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


def test_serving_imports_nothing_heavy(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "modules.py").write_text(APP)
    server = serve("--worker-class=sync", "modules:app", cwd=tmp_path)
    loaded = server.get().split("\n")
    server.stop()
    assert {"corn_core.arbiter.loop", "corn_sync.worker", "modules"} <= set(loaded)
    assert HEAVY.isdisjoint(loaded), sorted(HEAVY.intersection(loaded))
