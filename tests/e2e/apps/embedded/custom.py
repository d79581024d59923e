"""Embedded servers that differ from the manual's; the argument says how."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from corn_core.app import Application, BaseApplication


def answer(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [os.environ.get("GREETING", "none").encode()]


class Custom(BaseApplication):
    """Takes settings from the environment, at every reload again."""

    def load_config(self) -> None:
        for line in Path(os.environ["SETTINGS"]).read_text().splitlines():
            name, _, value = line.partition("=")
            self.cfg.set(name, value)
        self.cfg.set("post_worker_init", lambda worker: worker.log.info("hooked %s", worker.pid))

    def load(self) -> Any:
        if os.environ.get("BROKEN") == "exits":
            sys.exit("on purpose")
        if "BROKEN" in os.environ:
            raise RuntimeError("on purpose")
        return answer


class Command(Application):
    """The corn command with an application of its own."""

    def init(self, parser: Any, opts: Any, args: list[str]) -> dict[str, object]:
        return {"raw_env": [f"GREETING={args[0]}"], "workers": "2", "bind": "127.0.0.1:0"}

    def load(self) -> Any:
        return answer


if __name__ == "__main__":
    (Custom if "SETTINGS" in os.environ else Command)().run()
    sys.exit("run() does not return")
