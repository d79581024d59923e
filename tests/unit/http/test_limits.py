from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from corn_core.http.limits import SETTINGS, Limits
from corn_core.setting import Expected

BY_NAME = {setting.name: setting for setting in SETTINGS}
FIELD = {
    "limit_request_line": "request_line",
    "limit_request_fields": "fields",
    "limit_request_field_size": "field_size",
    "limit_request_body": "body",
    "header_map": "header_map",
}


def test_settings_and_value_have_the_same_defaults() -> None:
    defaults = {FIELD[name]: setting.default for name, setting in BY_NAME.items()}
    assert defaults == {name: getattr(Limits(), name) for name in FIELD.values()}


@pytest.mark.parametrize("name", FIELD)
def test_default_parses_to_itself(name: str) -> None:
    assert BY_NAME[name].parse(BY_NAME[name].default) == BY_NAME[name].default


@pytest.mark.parametrize(
    ("name", "highest"),
    [
        ("limit_request_line", 8190),
        ("limit_request_fields", 32768),
        ("limit_request_field_size", 8190),
    ],
)
def test_out_of_range_is_an_error_and_not_cut(name: str, highest: int) -> None:
    parse = BY_NAME[name].parse
    assert parse(str(highest)) == highest
    assert parse("0") == 0
    for bad in (highest + 1, -1, "-1", "many", None):
        with pytest.raises(Expected):
            parse(bad)


def test_flags_have_both_spellings_of_the_manual() -> None:
    assert BY_NAME["limit_request_field_size"].flags == (
        "--limit-request-field-size",
        "--limit-request-field_size",
    )


def test_header_map_is_one_of_three() -> None:
    assert [BY_NAME["header_map"].parse(one) for one in ("drop", "REFUSE", "keep")] == [
        "drop",
        "refuse",
        "keep",
    ]
    with pytest.raises(Expected):
        BY_NAME["header_map"].parse("dangerous")


def test_cap_on_the_head_is_what_the_limits_add_up_to() -> None:
    assert Limits(request_line=10, fields=2, field_size=20).head == 12 + 2 * 22 + 2


@pytest.mark.parametrize("zero", ["request_line", "fields", "field_size"])
def test_cap_on_the_head_is_there_without_a_limit(zero: str) -> None:
    assert 0 < Limits(**{zero: 0}).head <= 2 * 1024 * 1024 + 4  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("limits", "length"),
    [
        (Limits(), 4094),
        (Limits(request_line=0), 8190),
        (Limits(field_size=100), 100),
        (Limits(request_line=0, fields=0, field_size=0), 2 * 1024 * 1024 + 4),
    ],
)
def test_unsuspicious_length_is_the_smallest_limit(limits: Limits, length: int) -> None:
    assert limits.unsuspicious == length


def test_limits_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Limits().body = 0  # type: ignore[misc]
