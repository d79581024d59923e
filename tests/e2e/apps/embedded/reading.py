"""Subclasses of Application that read and set their configuration, as Gunicorn's users do."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from corn_core.app import Application


class Reading(Application):
    """Says what ``self.cfg`` is, in each of the methods that a subclass supplies."""

    def __init__(self, greeting: str) -> None:
        self.greeting = greeting
        super().__init__("%(prog)s [OPTIONS]", prog="reading")

    def init(self, parser: Any, opts: Any, args: list[str]) -> dict[str, object]:
        self.default_workers = self.cfg.workers
        self.cfg.set("threads", 3)
        return {"workers": 2, "bind": "127.0.0.1:0"}

    def load_config(self) -> None:
        self.cfg.set("keepalive", 7)
        super().load_config()
        self.cfg.set("max_requests", Path(os.environ["LIMIT"]).read_text())
        self.cfg.set("post_worker_init", lambda worker: worker.log.info("hooked %s", worker.pid))

    def load(self) -> Any:
        cfg = self.cfg
        said = (
            f"{self.greeting} workers={cfg.workers} of {self.default_workers}"
            f" threads={cfg.threads} keepalive={cfg.keepalive} max_requests={cfg.max_requests}"
        )

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [said.encode()]

        return app


if __name__ == "__main__":
    application = Reading("hello")
    if "twice" in sys.argv:
        application.reload()
        application.do_load_config()
    application.run()
