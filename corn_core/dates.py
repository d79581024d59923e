"""Formats times with English names, whatever locale the application may have set."""

from __future__ import annotations

from email.utils import formatdate
from time import localtime, strftime, time

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_date: tuple[int, bytes] = (0, b"")


def http_date() -> bytes:
    """Return the current time as IMF-fixdate (RFC 9110 section 5.6.7), made once a second."""
    global _date
    known, text = _date
    now = int(time())
    if known != now:
        text = formatdate(now, usegmt=True).encode("ascii")
        # One store, so that no thread sees the second of one time with the text of another.
        _date = (now, text)
    return text


def common_log_time(seconds: float) -> str:
    """Format a time in the Common Log Format, ``[20/Nov/2026:19:00:00 +0100]``, local time."""
    local = localtime(seconds)
    return strftime(f"[%d/{_MONTHS[local.tm_mon - 1]}/%Y:%H:%M:%S %z]", local)
