"""Refuses worker and logger classes that define in vain what only Gunicorn calls."""

from __future__ import annotations

from typing import Any

from corn_core.extensions.drivers import find_logger_class, find_worker_class
from corn_core.plugin import ExtensionError
from corn_gunicorn.finder import NAME

_BOOT = "the hooks post_fork and post_worker_init"
_SIGNALS = "the hooks worker_int and worker_abort"
_REQUESTS = "the hooks pre_request and post_request, or a middleware"

NEVER_CALLED = {
    "worker_class": {
        "accept": "run",
        "handle": "run",
        "handle_abort": _SIGNALS,
        "handle_error": "the hook request_refused",
        "handle_exit": _SIGNALS,
        "handle_quit": _SIGNALS,
        "handle_request": _REQUESTS,
        "handle_usr1": _SIGNALS,
        "init_process": _BOOT,
        "init_signals": _BOOT,
        "load_wsgi": "an app loader",
        "patch": "before_boot",
        "run_for_multiple": "run",
        "run_for_one": "run",
    },
    "logger_class": {
        "_set_handler": "error_formatter, access_formatter or setup",
        "_set_syslog_handler": "syslog_formatter",
        "access_log_enabled": "access_enabled",
        "atoms_wrapper_class": "atoms",
        "now": "renderer",
    },
}
"""By the setting: what Gunicorn's class has, and what takes its place in corn's."""

_FINDERS = {"worker_class": find_worker_class, "logger_class": find_logger_class}


def find(setting: str, name: Any) -> Any:
    """Find the class that a setting names.

    :raises ExtensionError: when there is none, or it defines what corn never calls.
    """
    found = _FINDERS[setting](name)
    if isinstance(found, type):
        lost = ", ".join(
            f"{attribute} ({instead})"
            for attribute, instead in NEVER_CALLED[setting].items()
            if _defines(found, attribute)
        )
        if lost:
            raise ExtensionError(
                f"{setting} {found.__qualname__} was written for Gunicorn, and corn never uses"
                f" what it defines; do it instead in what is in parentheses: {lost}"
            )
    return found


def _defines(found: type, attribute: str) -> bool:
    """Tell whether a class defines something itself, or inherits it from one that is not ours.

    Ours are the counterparts too, whose modules are called as in Gunicorn.
    """
    ours = ("corn_", f"{NAME}.")
    theirs = (each for each in found.__mro__ if not each.__module__.startswith(ours))
    return any(attribute in vars(each) for each in theirs)
