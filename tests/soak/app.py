"""A fast application and a slow one, for clients that check what they get."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from corn_core.serving.selector import SelectorDriver
from corn_core.serving.settings import terms_of
from corn_core.worker import Worker


class KeepAliveWorker(Worker):
    """The sync worker but for its connections, which stay."""

    def run(self) -> None:
        SelectorDriver(self, terms_of(self.cfg, self.cfg.keepalive)).run()


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answers with the path and the query; ``/slow`` takes its time."""
    path = environ["PATH_INFO"]
    if path == "/slow":
        time.sleep(0.01)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{path} {environ['QUERY_STRING']}".encode()]
