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
    "asgi": "corn-asgi",
}

ELSEWHERE = {"uvicorn.workers": "asgi", "uvicorn_worker": "asgi"}
"""Modules with worker classes of Gunicorn's, and the names of our own workers instead."""

LOGGERS = {"simple": "corn-core", "json": "corn-jsonlog", "statsd": "corn-statsd"}

LOADERS = {"wsgi": "corn-core", "paste": "corn-paste", "django": "corn-django"}

RELOADERS = {"poll": "corn-core", "watchfiles": "corn-watchfiles"}

OPTIONS = {
    "asgi_loop": "corn-asgi",
    "--asgi-loop": "corn-asgi",
    "asgi_lifespan": "corn-asgi",
    "--asgi-lifespan": "corn-asgi",
    "websocket_max_message_size": "corn-asgi",
    "--websocket-max-message-size": "corn-asgi",
    "websocket_max_queue": "corn-asgi",
    "--websocket-max-queue": "corn-asgi",
    "websocket_ping_interval": "corn-asgi",
    "--websocket-ping-interval": "corn-asgi",
    "websocket_ping_timeout": "corn-asgi",
    "--websocket-ping-timeout": "corn-asgi",
    "websocket_compression": "corn-asgi",
    "--websocket-compression": "corn-asgi",
    "--no-websocket-compression": "corn-asgi",
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
    "metrics_bind": "corn-prometheus",
    "--metrics-bind": "corn-prometheus",
}
"""Names of settings, and flags."""
