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

LOGGERS = {"simple": "corn-core", "json": "corn-jsonlog", "statsd": "corn-statsd"}

LOADERS = {"wsgi": "corn-core", "paste": "corn-paste", "django": "corn-django"}

RELOADERS = {"poll": "corn-core", "watchfiles": "corn-watchfiles"}

_OPTIONS = {
    "corn-asgi": (
        "asgi_loop asgi_lifespan websocket_max_message_size websocket_max_queue "
        "websocket_ping_interval websocket_ping_timeout websocket_compression "
        "--asgi-loop --asgi-lifespan --websocket-max-message-size --websocket-max-queue "
        "--websocket-ping-interval --websocket-ping-timeout --websocket-compression "
        "--no-websocket-compression"
    ),
    "corn-control": "control dashboard --control --dashboard",
    "corn-django": "django_settings django_static --settings --django-static",
    "corn-paste": "paste raw_paste_global_conf --paste --paster --paste-global",
    "corn-prometheus": "metrics_bind --metrics-bind",
    "corn-recycling": (
        "max_worker_memory max_worker_lifetime --max-worker-memory --max-worker-lifetime"
    ),
    "corn-static": (
        "static static_max_age static_immutable static_index --static --static-max-age "
        "--static-immutable --static-index"
    ),
    "corn-statsd": (
        "statsd_host statsd_prefix statsd_names dogstatsd_tags --statsd-host "
        "--statsd-prefix --statsd-names --dogstatsd-tags"
    ),
    "corn-syslog": (
        "syslog syslog_addr syslog_prefix syslog_facility "
        "disable_redirect_access_to_syslog --log-syslog --log-syslog-to "
        "--log-syslog-prefix --log-syslog-facility --disable-redirect-access-to-syslog"
    ),
}

OPTIONS = {
    option: distribution for distribution, given in _OPTIONS.items() for option in given.split()
}
"""Names of settings, and flags, each with the distribution that has it."""

VARIABLES = {"NOTIFY_SOCKET": "corn-systemd"}
"""Environment variables by which another program asks for something that a plugin does."""

GUNICORN_PLUGIN = "corn-gunicorn"
"""The distribution that knows what to do in the place of what only Gunicorn has."""

GUNICORN = {
    *("asgi_disconnect_grace_period", "asgi_lifespan", "asgi_loop", "casefold_http_method"),
    *("control_socket", "control_socket_disable", "control_socket_mode", "dirty_app", "dirty_apps"),
    *("dirty_graceful_timeout", "dirty_post_fork", "dirty_threads", "dirty_timeout"),
    *("dirty_worker_exit", "dirty_worker_init", "dirty_workers", "enable_backlog_metric"),
    *("http2_cleartext", "http2_initial_window_size", "http2_max_concurrent_streams"),
    *("http2_max_frame_size", "http2_max_header_list_size", "http_parser", "http_protocols"),
    *("no_control_socket", "on_dirty_starting", "permit_obsolete_folding"),
    *("permit_unconventional_http_method", "permit_unconventional_http_version", "protocol"),
    *("root_path", "strip_header_spaces", "tolerate_dangerous_framing", "uwsgi_allow_from"),
    *("uwsgi_allow_ips", "websocket_max_message_size", "x_forwarded_for_header"),
}
"""Gunicorn's settings, and flags without the hyphens, that have no counterpart of the same name."""

_GUNICORN_WORKERS = {
    "sync.SyncWorker": "sync",
    "gthread.ThreadWorker": "gthread",
    "ggevent.GeventWorker": "gevent",
    "ggevent.GeventPyWSGIWorker": "gevent_pywsgi",
    "geventlet.EventletWorker": "eventlet",
    "gtornado.TornadoWorker": "tornado",
    "gaiohttp.AiohttpWorker": "aiohttp",
    "gasgi.ASGIWorker": "asgi",
}

TAKEN_FOR = {
    "worker_class": {
        **{f"gunicorn.workers.{path}": name for path, name in _GUNICORN_WORKERS.items()},
        "geventwebsocket.gunicorn.workers.GeventWebSocketWorker": "gevent_websocket",
        "aiohttp.GunicornWebWorker": "aiohttp",
        "aiohttp.GunicornUVLoopWebWorker": "aiohttp",
        "aiohttp.worker.GunicornWebWorker": "aiohttp",
        "aiohttp.worker.GunicornUVLoopWebWorker": "aiohttp",
        "uvicorn.workers.UvicornWorker": "asgi",
        "uvicorn.workers.UvicornH11Worker": "asgi",
        "uvicorn_worker.UvicornWorker": "asgi",
        "uvicorn_worker.UvicornH11Worker": "asgi",
        "uvicorn_worker._workers.UvicornWorker": "asgi",
        "uvicorn_worker._workers.UvicornH11Worker": "asgi",
        "gaiohttp": "aiohttp",
        "egg:gunicorn": "sync",
    },
    "logger_class": {
        "gunicorn.glogging.Logger": "simple",
        "gunicorn.instrument.statsd.Statsd": "statsd",
    },
}
"""Classes that existing configurations name, by the setting, and the drivers that do the same."""


def taken_for(setting: str, value: object) -> str | None:
    """Return the driver that does what another server's class does, or None for any other value.

    :param value: the path of the class, or the class.
    """
    known = TAKEN_FOR.get(setting)
    if isinstance(value, type):
        value = _path(value)
    if known is None or not isinstance(value, str):
        return None
    if setting == "worker_class" and value.startswith("egg:gunicorn#"):
        return value.removeprefix("egg:gunicorn#")
    # Both ways to write a path, as egg: is the beginning of something else.
    path = value if value.startswith("egg:") else value.replace(":", ".")
    return known.get(path)


def foreign_base(setting: str, found: object) -> tuple[str, str] | None:
    """Return the class of another server's that a class is derived from, and the driver for it."""
    for each in found.__mro__ if isinstance(found, type) else ():
        driver = taken_for(setting, each)
        if driver is not None:
            return _path(each), driver
    return None


def _path(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


_RESIZE = "server.num_workers can be set"
_FORKS = "the master forks, reaps and times out by itself"
_SIGNAL = "os.kill(server.pid, ...) with the signal that means it"
_LOOP = "corn's workers schedule requests by themselves"

ATTRIBUTES = {
    "server.app": "worker.app in the hooks of a worker; the settings are in server.cfg",
    "server.START_CTX": "USR2 starts the same command again, in the same directory",
    "server.SIG_QUEUE": _SIGNAL,
    "server.dirty_arbiter": "corn has no pool of processes for long tasks",
    "server.halt": _SIGNAL,
    "server.init_signals": "the master handles its signals by itself",
    "server.manage_workers": _RESIZE,
    "server.master_name": "server.proc_name is what process titles show",
    "server.master_pid": "server.predecessor is the process id of the old master",
    "server.murder_workers": _FORKS,
    "server.pidfile": "server.cfg.pidfile is its path",
    "server.reap_workers": _FORKS,
    "server.reexec": _SIGNAL,
    "server.reexec_pid": "server.successor is the process id of the new master",
    "server.reload": _SIGNAL,
    "server.spawn_worker": _RESIZE,
    "server.spawn_workers": _RESIZE,
    "server.stop": _SIGNAL,
    "server.systemd": "server.LISTENERS has the sockets of systemd too",
    "server.wakeup": _SIGNAL,
    "worker.PIPE": "worker.wakeup.fd is readable after a signal",
    "worker.accept": _LOOP,
    "worker.handle": _LOOP,
    "worker.handle_abort": "the hook worker_abort",
    "worker.handle_exit": "worker.alive = False lets it finish and exit",
    "worker.handle_quit": "worker.alive = False lets it finish and exit",
    "worker.handle_request": "the hooks pre_request and post_request, or a middleware",
    "worker.init_process": "the hooks post_fork and post_worker_init",
    "worker.init_signals": "the hooks worker_int and worker_abort",
    "worker.is_parent_alive": "worker.orphaned is true once the master is gone",
    "worker.load_wsgi": "worker.wsgi is the application, once it is loaded",
    "worker.nr_conns": "server.snapshot() has the connections of each worker, in the hook on_tick",
    "worker.poller": _LOOP,
    "worker.tpool": _LOOP,
    "worker.wait_fds": "worker.sockets are the listening sockets",
    "worker.worker_connections": "worker.cfg.worker_connections",
}
"""Attributes of Gunicorn's objects that hook functions use, and what takes their place."""


def no_attribute(role: str, owner: object, name: str) -> AttributeError:
    """Make the error for an attribute that is not there, with what takes its place.

    :param role: what hook functions call the object: ``server`` or ``worker``.
    """
    instead = ATTRIBUTES.get(f"{role}.{name}")
    text = f"{type(owner).__name__!r} object has no attribute {name!r}"
    return AttributeError(f"{text}: {instead}" if instead else text, name=name, obj=owner)
