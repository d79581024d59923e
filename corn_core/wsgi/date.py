"""The Date field of responses."""

from __future__ import annotations

from time import gmtime, time

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_date: tuple[int, bytes] = (0, b"")


def http_date() -> bytes:
    """The current second as IMF-fixdate (RFC 9110 section 5.6.7), made once a second."""
    global _date
    known, text = _date
    now = int(time())
    if known != now:
        # strftime would use the names of the locale that an application may have set.
        moment = gmtime(now)
        text = (
            f"{_DAYS[moment.tm_wday]}, {moment.tm_mday:02} {_MONTHS[moment.tm_mon - 1]}"
            f" {moment.tm_year} {moment.tm_hour:02}:{moment.tm_min:02}:{moment.tm_sec:02} GMT"
        ).encode("ascii")
        # One store, so that a thread never sees the second of one with the text of another.
        _date = (now, text)
    return text
