"""A worker class that keeps connections, given to the server by its dotted path; and its app."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from corn_core.worker import SelectorDriver, Worker, client_limits


class KeepAliveWorker(Worker):
    """The sync worker but for its connections, which stay."""

    capabilities = frozenset({"keepalive"})

    def run(self) -> None:
        SelectorDriver(self, client_limits(self.cfg, self.cfg.keepalive)).run()


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Says what it was sent, in a response of known length."""
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return [environ["PATH_INFO"].encode() + b" " + body]
