"""Formats times with English names, whatever locale the application may have set."""

from __future__ import annotations

from time import gmtime, localtime, strftime, time

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_date: tuple[int, bytes] = (0, b"")


def http_date() -> bytes:
    """Return the current time as IMF-fixdate (RFC 9110 section 5.6.7), made once a second."""
    global _date
    known, text = _date
    now = int(time())
    if known != now:
        moment = gmtime(now)
        text = (
            f"{_DAYS[moment.tm_wday]}, {moment.tm_mday:02} {_MONTHS[moment.tm_mon - 1]}"
            f" {moment.tm_year} {moment.tm_hour:02}:{moment.tm_min:02}:{moment.tm_sec:02} GMT"
        ).encode("ascii")
        # One store, so that no thread sees the second of one time with the text of another.
        _date = (now, text)
    return text


def common_log_time(seconds: float) -> str:
    """Format a time in the Common Log Format, ``[20/Nov/2026:19:00:00 +0100]``, local time."""
    local = localtime(seconds)
    return strftime(f"[%d/{_MONTHS[local.tm_mon - 1]}/%Y:%H:%M:%S %z]", local)
