"""Findings, and whether they end a start or are gathered."""

from __future__ import annotations

import pytest

from corn_core.errors import AppLoadError, ConfigError, SettingError
from corn_core.findings import Finding, Review

ERROR = Finding("error", "no such thing", "take another", "a.py line 1")
IGNORED = Finding("ignored", "of no use")


def fail(error: Exception) -> None:
    raise error


def test_text_of_a_finding() -> None:
    assert str(ERROR) == "no such thing; take another (a.py line 1)"
    assert str(IGNORED) == "of no use"


def test_the_first_error_ends_a_start() -> None:
    review = Review()
    with pytest.raises(ConfigError, match=r"^no such thing; take another \(a.py line 1\)$"):
        review.add(IGNORED, ERROR)
    assert review.warnings == ["of no use"]
    with pytest.raises(AppLoadError):
        review.attempt(fail, AppLoadError("no app"))


def test_a_check_gathers_errors() -> None:
    review = Review(gathers=True)
    review.add(ERROR, IGNORED, IGNORED)
    assert review.attempt(fail, AppLoadError("no app", "Traceback")) is None
    assert review.attempt(len, "abc") == 3
    last = Finding("error", "no app", details="Traceback")
    assert review.findings == [ERROR, IGNORED, last]


@pytest.mark.parametrize(
    ("level", "errors", "failed", "warnings"),
    [
        ("error", True, True, []),
        ("ignored", False, True, ["x"]),
        ("note", False, False, ["x"]),
        ("fine", False, False, []),
    ],
)
def test_levels(level: str, errors: bool, failed: bool, warnings: list[str]) -> None:
    review = Review(gathers=True)
    review.add(Finding(level, "x"))  # type: ignore[arg-type]  # one of the four
    assert (review.errors, review.failed, review.warnings) == (errors, failed, warnings)


def test_a_bad_value_says_where_it_is_from() -> None:
    found = Finding.of(SettingError("workers", "a number", "x", "a.py line 2"))
    assert found == Finding(
        "error", "workers: expected a number, got 'x'", origin="a.py line 2", name="workers"
    )


def test_explanations_say_where() -> None:
    review = Review(lambda name, value: [Finding("note", f"{name} is {value}")])
    assert review.explain("depth", 3, "a.py line 3") == [
        Finding("note", "depth is 3", origin="a.py line 3", name="depth")
    ]
