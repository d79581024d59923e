"""The Date field: its form, and when it is made again."""

from __future__ import annotations

import locale
from collections.abc import Iterator

import pytest

from corn_core import dates
from corn_core.dates import http_date


def test_date_is_imf_fixdate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dates, "_date", (0, b""))
    moments = iter([784111777.2, 784111777.9, 784111778.0, 1893456000.0])
    monkeypatch.setattr(dates, "time", lambda: next(moments))
    first, again, later, new_year = [http_date() for _ in range(4)]
    # The first is the example of RFC 9110 section 5.6.7.
    assert first == b"Sun, 06 Nov 1994 08:49:37 GMT"
    assert again is first
    assert later == b"Sun, 06 Nov 1994 08:49:38 GMT"
    assert new_year == b"Tue, 01 Jan 2030 00:00:00 GMT"


@pytest.fixture
def foreign_locale() -> Iterator[None]:
    """Names of days and months that are not English."""
    before = locale.setlocale(locale.LC_TIME)
    for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "es_ES.UTF-8", "ru_RU.UTF-8"):
        try:
            locale.setlocale(locale.LC_TIME, name)
        except locale.Error:
            continue
        yield
        locale.setlocale(locale.LC_TIME, before)
        return
    pytest.skip("no locale with other names is installed")


def test_date_does_not_follow_the_locale(
    monkeypatch: pytest.MonkeyPatch, foreign_locale: None
) -> None:
    monkeypatch.setattr(dates, "_date", (0, b""))
    monkeypatch.setattr(dates, "time", lambda: 86400.0 * 59)
    assert http_date() == b"Sun, 01 Mar 1970 00:00:00 GMT"
