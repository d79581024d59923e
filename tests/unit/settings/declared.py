"""Settings of every kind, for the tests to resolve."""

from __future__ import annotations

from corn_core.setting import (
    Setting,
    boolean,
    integer,
    name_or_object,
    optional,
    string,
    strings,
)
from corn_core.settings import configfile, printing
from corn_core.settings.registry import Registry

WORKERS = Setting(
    "workers", "Worker Processes", integer(1), 1, "The number of workers. More of it.",
    flags=("-w", "--workers"), metavar="INT", env="WEB_CONCURRENCY",
)  # fmt: skip
BIND = Setting(
    "bind", "Server Socket", strings, ["127.0.0.1:8000"], "An address.", flags=("-b", "--bind"),
    action="append", env="PORT", env_value=lambda port: f"0.0.0.0:{port}",
)  # fmt: skip
PRELOAD = Setting(
    "preload_app", "Server Mechanics", boolean, False, "Load 100% early.", flags=("--preload",),
    action="store_true",
)  # fmt: skip
SENDFILE = Setting(
    "sendfile", "Server Mechanics", boolean, True, "Send files.", flags=("--no-sendfile",),
    action="store_false", env="SENDFILE", env_value=lambda text: text in ("y", "1", "yes", "true"),
)  # fmt: skip
WSGI_APP = Setting("wsgi_app", "Server Mechanics", optional(string), None, "The application.")
WORKER_CLASS = Setting(
    "worker_class", "Worker Processes", name_or_object, "sync", "The type of worker.",
    flags=("-k", "--worker-class"), choices=("sync", "gthread"),
)  # fmt: skip
FIELD_SIZE = Setting(
    "limit_request_field_size", "Security", integer(0, 8190), 8190, "Bytes of a field.",
    flags=("--limit-request-field_size", "--limit-request-field-size"),
)  # fmt: skip

SETTINGS = (
    *configfile.SETTINGS,
    *(BIND, WORKERS, WORKER_CLASS, FIELD_SIZE, PRELOAD, SENDFILE, WSGI_APP),
    *printing.SETTINGS,
)


def registry() -> Registry:
    return Registry(SETTINGS)
