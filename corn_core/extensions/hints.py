"""The contents of the first-party distributions, used only for hints in error messages.

A third-party plugin works without an entry here; the core never acts on these names.
"""

from __future__ import annotations

WORKERS = {
    "sync": "corn-sync",
    "gthread": "corn-gthread",
    "gevent": "corn-gevent",
    "gevent_wsgi": "corn-gevent",
    "gevent_pywsgi": "corn-gevent",
    "gevent_websocket": "corn-gevent",
    "eventlet": "corn-eventlet",
    "tornado": "corn-tornado",
    "aiohttp": "corn-aiohttp",
}

LOGGERS = {"simple": "corn-core", "json": "corn-jsonlog", "statsd": "corn-statsd"}

LOADERS = {"wsgi": "corn-core", "paste": "corn-paste", "django": "corn-django"}

RELOADERS = {"poll": "corn-core", "watchfiles": "corn-watchfiles"}

OPTIONS = {
    "static": "corn-static",
    "--static": "corn-static",
    "static_max_age": "corn-static",
    "--static-max-age": "corn-static",
    "static_immutable": "corn-static",
    "--static-immutable": "corn-static",
    "static_index": "corn-static",
    "--static-index": "corn-static",
    "statsd_host": "corn-statsd",
    "--statsd-host": "corn-statsd",
    "statsd_prefix": "corn-statsd",
    "--statsd-prefix": "corn-statsd",
    "dogstatsd_tags": "corn-statsd",
    "--dogstatsd-tags": "corn-statsd",
    "paste": "corn-paste",
    "--paste": "corn-paste",
    "--paster": "corn-paste",
    "raw_paste_global_conf": "corn-paste",
    "--paste-global": "corn-paste",
    "django_settings": "corn-django",
    "--settings": "corn-django",
    "django_static": "corn-django",
    "--django-static": "corn-django",
    "control": "corn-control",
    "--control": "corn-control",
    "dashboard": "corn-control",
    "--dashboard": "corn-control",
    "metrics_bind": "corn-prometheus",
    "--metrics-bind": "corn-prometheus",
}
"""Names of settings, and flags."""

VARIABLES = {"NOTIFY_SOCKET": "corn-systemd"}
"""Environment variables by which another program asks for something that a plugin does."""
