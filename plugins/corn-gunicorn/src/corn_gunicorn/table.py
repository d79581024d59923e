"""Lists the settings of Gunicorn 19.4 to 27, and what corn has in the place of each.

The reports of ``--check-config``, the messages of a start and the table in the documentation all
come from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from corn_core.plugin import Level


class Known(NamedTuple):
    """One setting or hook of Gunicorn's.

    :param since: the version that introduced it; empty if 19.4 has it.
    :param until: the last version that has it; empty if 27 has it.
    :param carried: True if corn has a setting or hook of that name with that meaning.
    :param plugin: the distribution that declares it, if that is not the core.
    :param text: what is different, or why corn does not have it.
    :param instead: what to do.
    :param level: ``error`` if a server without it would not do what its clients rely on.
    :param harmless: values with which nothing is lost, beside None, False and empty ones.
    :param matters: the only values that are not harmless; empty if all others matter.
    :param values: values that corn does not have, with what to do instead.
    """

    name: str
    flags: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    carried: bool = True
    plugin: str = ""
    text: str = ""
    instead: str = ""
    level: Level = "ignored"
    harmless: tuple[object, ...] = ()
    matters: tuple[object, ...] = ()
    values: Mapping[object, str] = {}
    takes_argument: bool = True


_H2 = "corn speaks HTTP/1.1 and 1.0"
_H2_ADVICE = "let the proxy in front speak HTTP/2, and HTTP/1.1 to corn"
_LAX = "corn's parser is strict, and no setting makes it lax"
_MEND = "mend the client, or put a proxy in front that corrects what it sends"
_DIRTY = "corn has no pool of processes for long tasks"
_QUEUE = "use a task queue, or a second server whose workers have a longer timeout"
_CONTROL = "corn's control socket has commands of its own, and another name"
_CORNCTL = "pip install corn-control; --control PATH opens one, which cornctl talks to"


def _none(name: str, flag: str, since: str, text: str, instead: str, **more: object) -> Known:
    """Make the row of a setting that corn does not have."""
    flags = (flag,) if flag else ()
    return Known(name, flags, since, "", False, "", text, instead, **more)  # type: ignore[arg-type]


SETTINGS = (
    Known("config", ("-c", "--config"), text="the default is ./corn.conf.py"),
    Known("wsgi_app", since="20.1"),
    Known("bind", ("-b", "--bind"), text="a bare port is refused: write :8000"),
    Known("backlog", ("--backlog",)),
    Known("workers", ("-w", "--workers"), text="also auto"),
    Known(
        "worker_class",
        ("-k", "--worker-class"),
        text="Gunicorn's paths are taken for corn's workers; a worker class of your own has to be"
        " derived from corn_core.worker.Worker",
    ),
    Known("threads", ("--threads",)),
    Known("worker_connections", ("--worker-connections",), text="applies to sync too"),
    Known("max_requests", ("--max-requests",)),
    Known("max_requests_jitter", ("--max-requests-jitter",)),
    Known("timeout", ("-t", "--timeout")),
    Known("graceful_timeout", ("--graceful-timeout",), text="applies to every worker that stops"),
    Known("keepalive", ("--keep-alive",)),
    Known(
        "asgi_loop",
        ("--asgi-loop",),
        "24.0",
        plugin="corn-asgi",
        harmless=("auto",),
    ),
    Known("asgi_lifespan", ("--asgi-lifespan",), "24.0", plugin="corn-asgi", harmless=("auto",)),
    _none(
        "asgi_disconnect_grace_period",
        "--asgi-disconnect-grace-period",
        "25.0",
        "the asgi worker tells an application that its client has left, and does not cancel it",
        "graceful_timeout limits what runs on when the server stops",
        harmless=(3, "3"),
    ),
    Known(
        "websocket_max_message_size",
        ("--websocket-max-message-size",),
        "26.3",
        plugin="corn-asgi",
        harmless=(16 * 1024 * 1024,),
    ),
    _none(
        "http_parser",
        "--http-parser",
        "25.0",
        "corn has one parser",
        "leave it out",
        harmless=("auto", "python"),
    ),
    Known("limit_request_line", ("--limit-request-line",), text="at most 8190, else refused"),
    Known("limit_request_fields", ("--limit-request-fields",)),
    Known("limit_request_field_size", ("--limit-request-field_size",)),
    Known("reload", ("--reload",)),
    Known(
        "reload_engine",
        ("--reload-engine",),
        "19.7",
        values={"inotify": "auto uses the system's notices once corn-watchfiles is installed"},
    ),
    Known("reload_extra_files", ("--reload-extra-file",), "19.8"),
    Known("spew", ("--spew",)),
    Known("check_config", ("--check-config",), text="reports everything at once"),
    Known("print_config", ("--print-config",), "20.1"),
    Known("preload_app", ("--preload",)),
    Known("sendfile", ("--no-sendfile",), text="True in a file turns it on"),
    Known("reuse_port", ("--reuse-port",), "19.8"),
    Known("chdir", ("--chdir",)),
    Known("daemon", ("-D", "--daemon"), text="the command ends when the server serves, or fails"),
    Known("raw_env", ("-e", "--env")),
    Known("pidfile", ("-p", "--pid")),
    Known("worker_tmp_dir", ("--worker-tmp-dir",), text="hardly needed: heartbeats are in memory"),
    Known("user", ("-u", "--user"), text="workers lose root's supplementary groups"),
    Known("group", ("-g", "--group")),
    Known("umask", ("-m", "--umask")),
    Known("initgroups", ("--initgroups",), "19.7"),
    Known("tmp_upload_dir"),
    Known("secure_scheme_headers"),
    Known("forwarded_allow_ips", ("--forwarded-allow-ips",), text="also networks"),
    Known("pythonpath", ("--pythonpath",)),
    Known("paste", ("--paste", "--paster"), plugin="corn-paste"),
    Known("raw_paste_global_conf", ("--paste-global",), "19.7", plugin="corn-paste"),
    Known("django_settings", ("--settings",), until="19.10", plugin="corn-django"),
    Known(
        "proxy_protocol",
        ("--proxy-protocol",),
        text="off, v1, v2 or, with the flag, either; a connection without the header is served",
    ),
    Known("proxy_allow_ips", ("--proxy-allow-from",)),
    _none(
        "protocol",
        "--protocol",
        "24.0",
        "corn speaks HTTP, not the uwsgi protocol",
        "in nginx, proxy_pass takes the place of uwsgi_pass",
        level="error",
        matters=("uwsgi",),
    ),
    _none(
        "uwsgi_allow_ips",
        "--uwsgi-allow-from",
        "24.0",
        "corn does not speak the uwsgi protocol",
        "forwarded_allow_ips says which proxies are trusted",
        harmless=("127.0.0.1,::1",),
    ),
    _none(
        "root_path",
        "--root-path",
        "24.0",
        "corn has no root path for ASGI applications",
        "the application's framework has one, such as FastAPI(root_path=...); WSGI applications"
        " have SCRIPT_NAME",
    ),
    Known("accesslog", ("--access-logfile",)),
    Known(
        "disable_redirect_access_to_syslog",
        ("--disable-redirect-access-to-syslog",),
        "19.8",
        plugin="corn-syslog",
    ),
    Known("access_log_format", ("--access-logformat",)),
    Known("errorlog", ("--error-logfile", "--log-file")),
    Known("loglevel", ("--log-level",)),
    Known("capture_output", ("--capture-output",), "19.6"),
    Known("logger_class", ("--logger-class",)),
    Known("logconfig", ("--log-config",)),
    Known("logconfig_dict", since="19.8"),
    Known("logconfig_json", ("--log-config-json",), "20.0"),
    Known("syslog_addr", ("--log-syslog-to",), plugin="corn-syslog"),
    Known("syslog", ("--log-syslog",), plugin="corn-syslog"),
    Known("syslog_prefix", ("--log-syslog-prefix",), plugin="corn-syslog"),
    Known("syslog_facility", ("--log-syslog-facility",), plugin="corn-syslog"),
    Known("enable_stdio_inheritance", ("-R", "--enable-stdio-inheritance")),
    Known(
        "statsd_host",
        ("--statsd-host",),
        plugin="corn-statsd",
        text="statsd_names keeps Gunicorn's names of metrics",
    ),
    Known("statsd_prefix", ("--statsd-prefix",), plugin="corn-statsd"),
    Known("dogstatsd_tags", ("--dogstatsd-tags",), "20.0", plugin="corn-statsd"),
    _none(
        "enable_backlog_metric",
        "--enable-backlog-metric",
        "24.1",
        "corn-statsd always measures the backlog, as the gauge corn.backlog.ADDRESS",
        "leave it out",
        takes_argument=False,
    ),
    Known("proc_name", ("-n", "--name")),
    Known("default_proc_name"),
    Known("keyfile", ("--keyfile",)),
    Known("certfile", ("--certfile",)),
    Known("ssl_version", ("--ssl-version",), text="ignored: TLS 1.2 and newer"),
    Known("cert_reqs", ("--cert-reqs",)),
    Known("ca_certs", ("--ca-certs",)),
    Known("suppress_ragged_eofs", ("--suppress-ragged-eofs",)),
    Known("do_handshake_on_connect", ("--do-handshake-on-connect",), text="makes no difference"),
    Known("ciphers", ("--ciphers",), "20.0"),
    _none(
        "http_protocols",
        "--http-protocols",
        "25.0",
        _H2,
        _H2_ADVICE,
        level="error",
        harmless=("h1", ["h1"]),
    ),
    _none("http2_cleartext", "--http2-cleartext", "26.2", _H2, _H2_ADVICE, harmless=("off",)),
    _none(
        "http2_max_concurrent_streams",
        "--http2-max-concurrent-streams",
        "25.0",
        _H2,
        _H2_ADVICE,
        harmless=(100,),
    ),
    _none(
        "http2_initial_window_size",
        "--http2-initial-window-size",
        "25.0",
        _H2,
        _H2_ADVICE,
        harmless=(65535,),
    ),
    _none(
        "http2_max_frame_size",
        "--http2-max-frame-size",
        "25.0",
        _H2,
        _H2_ADVICE,
        harmless=(16384,),
    ),
    _none(
        "http2_max_header_list_size",
        "--http2-max-header-list-size",
        "25.0",
        _H2,
        _H2_ADVICE,
        harmless=(65536,),
    ),
    _none(
        "permit_obsolete_folding",
        "--permit-obsolete-folding",
        "23.0",
        _LAX,
        _MEND,
        takes_argument=False,
    ),
    _none(
        "strip_header_spaces", "--strip-header-spaces", "20.0", _LAX, _MEND, takes_argument=False
    ),
    _none(
        "permit_unconventional_http_method",
        "--permit-unconventional-http-method",
        "22.0",
        "corn accepts every method that RFC 9110 allows",
        "leave it out",
        takes_argument=False,
        harmless=(True,),
    ),
    _none(
        "permit_unconventional_http_version",
        "--permit-unconventional-http-version",
        "22.0",
        _LAX,
        _MEND,
        takes_argument=False,
    ),
    _none(
        "casefold_http_method",
        "--casefold-http-method",
        "22.0",
        "methods are case-sensitive (RFC 9110 section 9.1)",
        "upper-case REQUEST_METHOD in a middleware if clients send lower case",
        takes_argument=False,
    ),
    Known(
        "tolerate_dangerous_framing",
        ("--tolerate-dangerous-framing",),
        "22.0",
        "22.0",
        False,
        text=_LAX,
        instead=_MEND,
        takes_argument=False,
    ),
    Known(
        "header_map",
        ("--header-map",),
        "22.0",
        values={
            "dangerous": "'keep' is the nearest: it lets fields with underscores through, except"
            " those that decide about framing, credentials or origin"
        },
    ),
    Known("forwarder_headers", ("--forwarder-headers",), "23.0"),
    _none("dirty_apps", "--dirty-app", "25.0", _DIRTY, _QUEUE, level="error"),
    _none("dirty_workers", "--dirty-workers", "25.0", _DIRTY, _QUEUE),
    _none("dirty_timeout", "--dirty-timeout", "25.0", _DIRTY, _QUEUE, harmless=(300,)),
    _none("dirty_threads", "--dirty-threads", "25.0", _DIRTY, _QUEUE, harmless=(1,)),
    _none(
        "dirty_graceful_timeout",
        "--dirty-graceful-timeout",
        "25.0",
        _DIRTY,
        _QUEUE,
        harmless=(30,),
    ),
    _none("control_socket", "--control-socket", "25.1", _CONTROL, _CORNCTL),
    _none(
        "control_socket_mode",
        "--control-socket-mode",
        "25.1",
        "the mode of corn's control socket is always 0600",
        _CORNCTL,
        harmless=(0o600,),
    ),
    _none(
        "control_socket_disable",
        "--no-control-socket",
        "25.1",
        "corn has a control socket only if --control asks for one",
        "leave it out",
        harmless=(True,),
        takes_argument=False,
    ),
    Known(
        "x_forwarded_for_header",
        until="18.0",
        carried=False,
        text="REMOTE_ADDR is the address of the connection, as in Gunicorn since 19.0",
        instead="let the framework read X-Forwarded-For, as ProxyFix of werkzeug does",
    ),
)
"""Every setting, in the order of Gunicorn's own documentation as far as it has one."""

HOOKS = (
    *map(
        Known,
        (
            *("on_starting", "on_reload", "when_ready", "pre_fork", "post_fork"),
            *("post_worker_init", "worker_int", "worker_abort", "pre_exec"),
        ),
    ),
    Known("pre_request"),
    Known("post_request", text="takes 2, 3 or 4 arguments"),
    Known("child_exit", since="19.7"),
    Known("worker_exit"),
    Known("nworkers_changed"),
    Known("on_exit"),
    Known("ssl_context", since="21.0"),
    _none("on_dirty_starting", "", "25.0", _DIRTY, _QUEUE),
    _none("dirty_post_fork", "", "25.0", _DIRTY, _QUEUE),
    _none("dirty_worker_init", "", "25.0", _DIRTY, _QUEUE),
    _none("dirty_worker_exit", "", "25.0", _DIRTY, _QUEUE),
)
"""Every hook, in the order of a server's life."""

BY_NAME = {each.name: each for each in (*SETTINGS, *HOOKS)}
BY_FLAG = {flag: each for each in SETTINGS for flag in each.flags}
