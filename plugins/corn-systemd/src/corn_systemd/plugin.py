"""Takes the service manager's variables, and adds the hooks that report to it if there are any."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

from corn_core.plugin import hookimpl

if TYPE_CHECKING:
    from corn_systemd.status import Status

VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


@hookimpl
def corn_instruments() -> list[Status]:
    """Add the hooks, if a service manager wants to hear from this server."""
    found = status()
    return [] if found is None else [found]


@cache
def status() -> Status | None:
    """Return the server's status for the service manager; ``None`` if there is none to tell.

    The variables are taken from the environment at the first call: they are meant for this
    process, not for the programs that the application starts.
    """
    if not os.environ.get("NOTIFY_SOCKET"):
        return None
    from corn_systemd.status import Status  # lazy: for servers that report

    return Status({name: os.environ.pop(name, "") for name in VARIABLES})
