"""The parsers: what a value may look like, and what is said of one that may not."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest

from corn_core.setting import (
    Expected,
    Parser,
    Setting,
    boolean,
    comma_separated,
    integer,
    name_or_object,
    one_of,
    optional,
    seconds,
    string,
    strings,
)

GOOD: list[tuple[Parser, object, Any]] = [
    (boolean, True, True),
    (boolean, False, False),
    (boolean, " TRUE ", True),
    (boolean, "False", False),
    (boolean, None, False),
    (integer(), 0, 0),
    (integer(), "12", 12),
    (integer(), " 0x1F ", 31),
    (integer(), "0o17", 15),
    (integer(1, 8), "0b1000", 8),
    (seconds, 30, 30),
    (seconds, "0.5", 0.5),
    (seconds, "0", 0.0),
    (string, "  text ", "text"),
    (string, "", ""),
    (optional(integer()), None, None),
    (optional(integer()), "  ", None),
    (optional(integer()), "3", 3),
    (one_of("drop", "keep"), " DROP", "drop"),
    (strings, "a, b", ["a, b"]),
    (strings, ["a ", " b", " "], ["a", "b"]),
    (strings, ("a",), ["a"]),
    (strings, "", []),
    (strings, None, []),
    (comma_separated, "a, b,,c ", ["a", "b", "c"]),
    (comma_separated, ["a,b", "c"], ["a", "b", "c"]),
    (comma_separated, None, []),
    (name_or_object, " name ", "name"),
    (name_or_object, OrderedDict, OrderedDict),
]

BAD: list[tuple[Parser, object, str]] = [
    (boolean, "yes", "true or false"),
    (boolean, "", "true or false"),
    (boolean, 1, "true or false"),
    (integer(), -1, "a whole number of at least 0"),
    (integer(), "-1", "a whole number of at least 0"),
    (integer(1), 0, "a whole number of at least 1"),
    (integer(0, 8190), 8191, "a whole number from 0 to 8190"),
    (integer(), True, "a whole number of at least 0"),
    (integer(), 1.0, "a whole number of at least 0"),
    (integer(), "1.5", "a whole number of at least 0"),
    (integer(), "012", "a whole number of at least 0"),
    (integer(), None, "a whole number of at least 0"),
    (seconds, "soon", "a number of seconds, 0 or more"),
    (seconds, -0.1, "a number of seconds, 0 or more"),
    (seconds, "nan", "a number of seconds, 0 or more"),
    (seconds, "inf", "a number of seconds, 0 or more"),
    (seconds, True, "a number of seconds, 0 or more"),
    (string, b"bytes", "text"),
    (string, 3, "text"),
    (one_of("drop", "keep"), "dorp", "one of drop, keep"),
    (one_of("drop", "keep"), None, "one of drop, keep"),
    (strings, 3, "text or a list of texts"),
    (strings, ["a", 3], "text or a list of texts"),
    (strings, b"a", "text or a list of texts"),
    (strings, {"a": 1}, "text or a list of texts"),
    (name_or_object, "", "a name, or the class or callable itself"),
    (name_or_object, 3, "a name, or the class or callable itself"),
]


@pytest.mark.parametrize(("parse", "raw", "value"), GOOD)
def test_accepted(parse: Parser, raw: object, value: object) -> None:
    assert parse(raw) == value
    assert type(parse(raw)) is type(value)


@pytest.mark.parametrize(("parse", "raw", "expected"), BAD)
def test_refused(parse: Parser, raw: object, expected: str) -> None:
    with pytest.raises(Expected) as caught:
        parse(raw)
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("text", "summary"),
    [("One.", "One."), ("One.  Two. Three", "One."), ("One\n  line. Two", "One line."), ("x", "x")],
)
def test_summary_is_the_first_sentence(text: str, summary: str) -> None:
    assert Setting("x", "X", string, "", text).summary == summary
