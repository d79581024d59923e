"""Programs that embed Gunicorn, run by corn unchanged."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from corn_testkit.fixtures import Serve

APP = """
def handler(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"hi\\n"]
"""

BASE = f"""
import gunicorn.app.base
from gunicorn.six import iteritems
{APP}
class Standalone(gunicorn.app.base.BaseApplication):
    def __init__(self, app, options=None):
        self.options = options or {{}}
        self.application = app
        super().__init__()

    def load_config(self):
        chosen = {{k: v for k, v in iteritems(self.options)
                  if k in self.cfg.settings and v is not None}}
        for key, value in iteritems(chosen):
            self.cfg.set(key.lower(), value)

    def load(self):
        return self.application

if __name__ == "__main__":
    Standalone(handler, {{"bind": "127.0.0.1:0", "workers": 1}}).run()
"""

URI = f"""
from gunicorn.app.wsgiapp import WSGIApplication
{APP}
class Standalone(WSGIApplication):
    def __init__(self, app_uri, options=None):
        self.options = options or {{}}
        self.app_uri = app_uri
        super().__init__()

    def load_config(self):
        for key, value in self.options.items():
            self.cfg.set(key, value)

if __name__ == "__main__":
    Standalone("program:handler", {{"bind": "127.0.0.1:0"}}).run()
"""

COMMAND = f"""
import sys
from gunicorn.app.wsgiapp import run
{APP}
if __name__ == "__main__":
    sys.argv[1:] = ["--bind=127.0.0.1:0", "program:handler"]
    sys.exit(run())
"""


@pytest.mark.parametrize("program", [BASE, URI, COMMAND], ids=["base", "uri", "command"])
def test_program_that_embeds_gunicorn(serve: Serve, tmp_path: Path, program: str) -> None:
    (tmp_path / "program.py").write_text(program)
    arguments = ("-m", "corn_gunicorn", "program.py")
    server = serve(*arguments, bind=(), cwd=tmp_path, command=sys.executable)
    assert server.get() == "hi\n"
    server.stop()
