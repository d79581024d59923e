"""Makes ``sync`` with more than one thread mean ``gthread``, in every server."""

from __future__ import annotations

from typing import Any

from corn_core.plugin import hookimpl


@hookimpl
def corn_worker_class(name: Any, config: Any) -> type | None:
    if name == "sync" and config.threads > 1:
        # lazy: for a server that uses another worker this plugin is to cost nothing
        from corn_gthread.worker import ThreadWorker

        return ThreadWorker
    return None
