"""The classes that existing configurations name, and the drivers that they stand for."""

from __future__ import annotations

import pytest

from corn_core.extensions.hints import taken_for


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
        ("logger_class", "gunicorn.workers.sync.SyncWorker", None),
        ("app_loader", "gunicorn.glogging.Logger", None),
    ],
)
def test_classes_of_other_servers(setting: str, value: object, driver: str | None) -> None:
    assert taken_for(setting, value) == driver
