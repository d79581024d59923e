"""Worker and logger classes that were written for Gunicorn."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest

from corn_core.errors import ExtensionError
from corn_gunicorn import finder, plugin


@pytest.fixture
def counterparts() -> Iterator[None]:
    """Answer imports of Gunicorn in this process, until the test ends."""
    before = sys.meta_path[:]
    finder.install()
    spec = find_spec("gunicorn")
    if spec is None or spec.origin is None or not spec.origin.startswith(finder.COUNTERPARTS):
        pytest.skip("the real gunicorn is installed, so it is what programs import")
    yield
    finder.remove()
    # Another test may have loaded the plugin.
    sys.meta_path[:] = before


def refusal(setting: str, kind: type) -> str:
    with pytest.raises(ExtensionError) as caught:
        getattr(plugin, f"corn_{setting}")(kind)
    return str(caught.value)


def test_methods_that_corn_never_calls_are_an_error(counterparts: None) -> None:
    sync: Any = import_module("gunicorn.workers.sync")

    class Worker(sync.SyncWorker):  # type: ignore[misc]
        def init_process(self) -> None: ...
        def handle_quit(self, sig: int, frame: object) -> None: ...

    text = refusal("worker_class", Worker)
    assert "worker_class" in text and "Worker was written for Gunicorn" in text
    assert text.endswith(
        ": handle_quit (the hooks worker_int and worker_abort),"
        " init_process (the hooks post_fork and post_worker_init)"
    )


def test_logger_methods_that_corn_never_calls_are_an_error(counterparts: None) -> None:
    glogging: Any = import_module("gunicorn.glogging")

    class Logger(glogging.Logger):  # type: ignore[misc]
        def now(self) -> str: ...  # type: ignore[empty-body]

    assert refusal("logger_class", Logger).endswith(": now (renderer)")


def test_classes_that_override_what_both_servers_call_are_taken(counterparts: None) -> None:
    glogging: Any = import_module("gunicorn.glogging")

    class Logger(glogging.Logger):  # type: ignore[misc]
        def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None: ...

    assert plugin.corn_logger_class(Logger) is Logger
    assert plugin.corn_logger_class("simple") is None


def test_classes_are_left_alone_where_nothing_of_gunicorn_is_imported() -> None:
    class Worker:
        def init_process(self) -> None: ...

    assert plugin.corn_worker_class(Worker) is None
