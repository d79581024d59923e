"""A server that the tests of a module share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from corn_testkit.server import Server


@contextmanager
def serving(home: Path, cwd: Path, *arguments: str) -> Iterator[Server]:
    """Run a server with one worker, which has to outlive all that its clients do."""
    server = Server(home, ["--bind=127.0.0.1:0", *arguments], cwd)
    try:
        server.started()
        workers = server.wait_for_workers(1)
        yield server
        assert server.workers() == workers, "the worker did not outlive its clients"
        server.stop()
    finally:
        server.kill()
