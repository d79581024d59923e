"""The classes that existing configurations name, and the drivers that they stand for."""

from __future__ import annotations

import pytest

from corn_core.extensions.hints import foreign_base, taken_for


class Theirs:
    """As uvicorn's class is, where uvicorn is installed."""


Theirs.__module__, Theirs.__qualname__ = "uvicorn.workers", "UvicornWorker"


class Derived(Theirs):
    pass


@pytest.mark.parametrize(
    ("setting", "value", "driver"),
    [
        ("worker_class", "gunicorn.workers.sync.SyncWorker", "sync"),
        ("worker_class", "gunicorn.workers.gthread:ThreadWorker", "gthread"),
        ("worker_class", "gunicorn.workers.ggevent.GeventWorker", "gevent"),
        ("worker_class", "gunicorn.workers.geventlet.EventletWorker", "eventlet"),
        ("worker_class", "gunicorn.workers.gtornado.TornadoWorker", "tornado"),
        ("worker_class", "egg:gunicorn#gevent", "gevent"),
        ("worker_class", "egg:gunicorn", "sync"),
        ("worker_class", "uvicorn.workers.UvicornWorker", "asgi"),
        ("worker_class", "aiohttp.GunicornWebWorker", "aiohttp"),
        ("logger_class", "gunicorn.glogging.Logger", "simple"),
        ("logger_class", "gunicorn.instrument.statsd.Statsd", "statsd"),
        ("worker_class", "gunicorn.workers.sync.OtherWorker", None),
        ("worker_class", "sync", None),
        ("worker_class", str, None),
        ("worker_class", Theirs, "asgi"),
        ("worker_class", Derived, None),
        ("logger_class", "gunicorn.workers.sync.SyncWorker", None),
        ("app_loader", "gunicorn.glogging.Logger", None),
    ],
)
def test_classes_of_other_servers(setting: str, value: object, driver: str | None) -> None:
    assert taken_for(setting, value) == driver


@pytest.mark.parametrize(
    ("setting", "found", "base"),
    [
        ("worker_class", Derived, ("uvicorn.workers.UvicornWorker", "asgi")),
        ("worker_class", Theirs, ("uvicorn.workers.UvicornWorker", "asgi")),
        ("logger_class", Derived, None),
        ("worker_class", str, None),
        ("worker_class", "uvicorn.workers.UvicornWorker", None),
    ],
)
def test_class_that_one_is_derived_from(
    setting: str, found: object, base: tuple[str, str] | None
) -> None:
    assert foreign_base(setting, found) == base
