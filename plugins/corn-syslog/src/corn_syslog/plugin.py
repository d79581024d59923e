"""The plugin: its settings, and the handlers that they ask for.

Every server with the plugin installed imports this module; only those that log to syslog import the
handler.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from corn_core.plugin import Setting, boolean, hookimpl, one_of, optional, string
from corn_syslog.address import FACILITIES, default_address, parse_syslog_address

if TYPE_CHECKING:
    from corn_core.typing import Config
    from corn_syslog.handler import SyslogHandler


def _syslog_address(raw: object) -> str:
    text = string(raw)
    parse_syslog_address(text)
    return text


SETTINGS = (
    Setting(
        name="syslog",
        section="Logging",
        parse=boolean,
        default=False,
        help=(
            "Send the error log and the access log to syslog too. The server starts even if the"
            " daemon is not running: the messages are then lost, and the error log says so once."
        ),
        flags=("--log-syslog",),
        action="store_true",
    ),
    Setting(
        name="syslog_addr",
        section="Logging",
        parse=_syslog_address,
        default=default_address(),
        default_text=(
            "udp://localhost:514; unix:///var/run/syslog on macOS, unix:///var/run/log on"
            " FreeBSD, unix:///dev/log on OpenBSD"
        ),
        help=(
            "The address of the syslog daemon: udp://HOST:PORT, tcp://HOST:PORT (the default port"
            " is 514; an IPv6 address stands in brackets), unix://PATH#stream or"
            " unix://PATH#dgram. unix://PATH alone tries a stream, and then datagrams."
        ),
        flags=("--log-syslog-to",),
        metavar="ADDRESS",
    ),
    Setting(
        name="syslog_prefix",
        section="Logging",
        parse=optional(string),
        default=None,
        default_text="the name of the process: proc_name, or the application",
        help=(
            "The middle of the program's name in syslog: corn.PREFIX.error for the error log and"
            " corn.PREFIX.access for the access log. Colons, brackets and spaces become dots."
        ),
        flags=("--log-syslog-prefix",),
        metavar="PREFIX",
    ),
    Setting(
        name="syslog_facility",
        section="Logging",
        parse=one_of(*FACILITIES),
        default="user",
        help="The facility of the messages to syslog, such as user, daemon or local0.",
        flags=("--log-syslog-facility",),
        metavar="FACILITY",
        choices=tuple(FACILITIES),
    ),
    Setting(
        name="disable_redirect_access_to_syslog",
        section="Logging",
        parse=boolean,
        default=False,
        help="Send only the error log to syslog, not the access log.",
        flags=("--disable-redirect-access-to-syslog",),
        action="store_true",
    ),
)


@hookimpl
def corn_settings() -> tuple[Setting, ...]:
    return SETTINGS


@hookimpl
def corn_log_handlers(config: Config, log: str) -> Iterator[SyslogHandler]:
    if not config.syslog or (log == "access" and config.disable_redirect_access_to_syslog):
        return
    from corn_syslog.handler import SyslogHandler, program_name  # lazy: most servers have no use

    prefix = config.syslog_prefix or config.proc_name or config.default_proc_name
    program = program_name(prefix, log)
    report = logging.getLogger("corn.error").warning
    yield SyslogHandler(config.syslog_addr, config.syslog_facility, program, report)
