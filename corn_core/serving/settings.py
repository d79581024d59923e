"""Settings for how connections are kept, and how long a client may take."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from corn_core.config import Config
from corn_core.http import Limits
from corn_core.http.limits import MEBIBYTE
from corn_core.setting import Setting, integer, seconds
from corn_core.wsgi.proxied import versions_of
from corn_core.wsgi.trust import peer_test

SETTINGS = (
    Setting(
        name="worker_connections",
        section="Worker Processes",
        parse=integer(1),
        default=1000,
        help=(
            "The number of connections a worker holds at once. At this number it accepts no"
            " more; further clients wait in the backlog, where another worker may take them."
            " A connection that is being read or written costs a few kilobytes and a file"
            " descriptor, so the limit on open files must be higher than this."
        ),
        flags=("--worker-connections",),
        metavar="INT",
    ),
    Setting(
        name="keepalive",
        section="Worker Processes",
        parse=seconds,
        default=2.0,
        help=(
            "The seconds to wait for the next request on a keep-alive connection. 0 closes"
            " the connection after every response. Generally 1 to 5 for clients that connect"
            " directly, and more than the proxy's own limit behind one that reuses its"
            " connections. The sync worker always closes, and ignores it."
        ),
        flags=("--keep-alive",),
        metavar="SECONDS",
    ),
    Setting(
        name="header_timeout",
        section="Security",
        parse=seconds,
        default=15.0,
        help=(
            "The seconds a client has for sending the head of a request, from its first byte"
            " or, on a new connection, from the moment it connected. A client that is slower is"
            " answered 408, or closed if it has sent nothing. A TLS handshake has the same time,"
            " from the moment the client connected. 0 sets no limit. Limits are looked at once a"
            " second."
        ),
        flags=("--header-timeout",),
        metavar="SECONDS",
    ),
    Setting(
        name="body_timeout",
        section="Security",
        parse=seconds,
        default=30.0,
        help=(
            "The seconds a client may pause while it sends the body of a request. After that"
            " it is answered 408. A long upload that keeps moving is not limited. 0 sets no"
            " limit."
        ),
        flags=("--body-timeout",),
        metavar="SECONDS",
    ),
    Setting(
        name="write_timeout",
        section="Security",
        parse=seconds,
        default=30.0,
        help=(
            "The seconds a client may take nothing of a response that waits for it. After"
            " that the connection is closed. 0 sets no limit."
        ),
        flags=("--write-timeout",),
        metavar="SECONDS",
    ),
    Setting(
        name="limit_response_spool",
        section="Security",
        parse=integer(0),
        default=1024 * MEBIBYTE,
        default_text="1073741824 (1 GiB)",
        help=(
            "The bytes of one response that a worker keeps for a client that reads more slowly"
            " than the application writes. Half a mebibyte is kept in memory, the rest in a"
            " temporary file in tmp_upload_dir. When the limit is reached the application waits"
            " for its client, and with it, in a sync worker, all other clients. 0 makes it wait as"
            " soon as the half mebibyte is full."
        ),
        flags=("--limit-response-spool",),
        metavar="BYTES",
    ),
)


class ProxyPolicy(NamedTuple):
    """Says which versions of the PROXY protocol are understood, and from which peers."""

    versions: frozenset[str]
    is_trusted: Callable[[object], bool]


class ClientLimits(NamedTuple):
    """Limits on what a client may use, from the settings above and some others; times in seconds.

    :param http: the limits on requests.
    :param keepalive: how long to wait for another request; 0 closes after each response.
    :param spool_limit: the bytes of a response kept for a slow client.
    :param proxy: whether and how the PROXY protocol is understood.
    :param tmp_dir: where what is too long for memory goes, ``None`` for the system's choice.
    """

    http: Limits
    keepalive: float
    header_timeout: float
    body_timeout: float
    write_timeout: float
    spool_limit: int
    max_connections: int
    tmp_dir: str | None
    proxy: ProxyPolicy | None = None


def client_limits(config: Config, keepalive: float) -> ClientLimits:
    """Return the limits that a configuration sets.

    :param keepalive: the worker's own; a worker that keeps connections passes
        ``config.keepalive``.
    """
    limits = Limits(
        request_line=config.limit_request_line,
        fields=config.limit_request_fields,
        field_size=config.limit_request_field_size,
        body=config.limit_request_body,
        header_map=config.header_map,
    )
    return ClientLimits(
        http=limits,
        keepalive=keepalive,
        header_timeout=config.header_timeout,
        body_timeout=config.body_timeout,
        write_timeout=config.write_timeout,
        spool_limit=config.limit_response_spool,
        max_connections=config.worker_connections,
        tmp_dir=config.tmp_upload_dir,
        proxy=_proxy_policy(config),
    )


def _proxy_policy(config: Config) -> ProxyPolicy | None:
    versions = versions_of(config.proxy_protocol)
    return ProxyPolicy(versions, peer_test(config.proxy_allow_ips)) if versions else None
