"""The settings, and the forms of their values."""

from __future__ import annotations

from corn_core.plugin import (
    AbstractAddress,
    Expected,
    Setting,
    TcpAddress,
    UnixAddress,
    comma_separated,
    one_of,
    optional,
    parse_address,
    string,
)

Address = TcpAddress | UnixAddress | AbstractAddress
"""The address of a statsd server."""

OURS = "corn"
GUNICORN = "gunicorn"
"""The words that the names of metrics may begin with."""

_FORMS = "HOST:PORT with a port from 1 to 65535, such as 127.0.0.1:8125, or unix:///PATH"


def parse_statsd_address(text: str) -> Address:
    """Parse a value of ``statsd_host``.

    :raises Expected: for anything that is not an address, and for one without a port.
    """
    if text.startswith("unix:"):
        if not text.removeprefix("unix:").removeprefix("//"):
            raise Expected("the path of a socket after unix://, such as unix:///run/statsd.sock")
    elif "://" in text or text.startswith(":") or ":" not in text.rpartition("]")[2]:
        # The core would fill in missing parts with the defaults of a listener.
        raise Expected(_FORMS)
    try:
        address = parse_address(text)
    except Expected:
        if text.startswith("unix:"):
            raise
        raise Expected(_FORMS) from None
    if isinstance(address, UnixAddress | AbstractAddress):
        return address
    if not isinstance(address, TcpAddress) or address.port == 0:
        raise Expected(_FORMS)
    return address


def _statsd_host(raw: object) -> str:
    text = string(raw)
    parse_statsd_address(text)
    return text


def _tags(raw: object) -> str:
    tags = comma_separated(raw)
    # A bar or a line end would end the list of tags on the wire.
    if any("|" in tag or not tag.isprintable() for tag in tags):
        raise Expected("tags such as env:prod,region:eu, without | or control characters")
    return ",".join(tags)


SETTINGS = (
    Setting(
        name="statsd_host",
        section="Logging",
        parse=optional(_statsd_host),
        default=None,
        help=(
            "The statsd server to send metrics to: HOST:PORT for UDP, or unix:///PATH for a"
            " unix datagram socket. Without it nothing is measured. It works with any"
            " logger_class, and never waits for a slow or missing server: what the server does not"
            " take is lost, and the error log says so at most once a minute."
        ),
        flags=("--statsd-host",),
        metavar="ADDRESS",
    ),
    Setting(
        name="statsd_prefix",
        section="Logging",
        parse=string,
        default="",
        help=(
            "The prefix of all metric names. A dot is added after it if there is none, and"
            " characters not allowed in a name become underscores."
        ),
        flags=("--statsd-prefix",),
        metavar="PREFIX",
    ),
    Setting(
        name="statsd_names",
        section="Logging",
        parse=one_of(OURS, GUNICORN),
        default=OURS,
        help=(
            "The word that the names of the server's own metrics begin with, after the prefix."
            " gunicorn keeps those that a dashboard made for Gunicorn shows: gunicorn.requests,"
            " gunicorn.request.duration, gunicorn.workers and so on."
        ),
        flags=("--statsd-names",),
        choices=(OURS, GUNICORN),
    ),
    Setting(
        name="dogstatsd_tags",
        section="Logging",
        parse=_tags,
        default="",
        help=(
            "Tags for all metrics, separated by commas, in Datadog's format: name:value or a name"
            " alone. Other servers may not understand metrics with tags."
        ),
        flags=("--dogstatsd-tags",),
        metavar="TAGS",
    ),
)
