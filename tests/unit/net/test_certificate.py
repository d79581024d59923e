"""Distinguished names as text: one name must not look like two."""

from __future__ import annotations

import pytest

from corn_core.net.certificate import Name, distinguished_name


def name(*pairs: tuple[str, str]) -> Name:
    return tuple((pair,) for pair in pairs)


def test_the_most_specific_part_comes_first() -> None:
    given = name(("countryName", "AT"), ("organizationName", "corn"), ("commonName", "me"))
    assert distinguished_name(given) == "CN=me,O=corn,C=AT"


def test_several_values_in_one_part() -> None:
    given = ((("commonName", "me"), ("userId", "7")), (("emailAddress", "me@x"),))
    assert distinguished_name(given) == "emailAddress=me@x,CN=me+UID=7"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a,O=admin", r"a\,O=admin"),
        ('"+,;<>\\', r"\"\+\,\;\<\>\\"),
        (" a ", r"\ a\ "),
        ("#1", r"\#1"),
        ("a #", "a #"),
        (" ", r"\ "),
        ("a\r\nX: y\0", r"a\0D\0AX: y\00"),
        ("\x7f", r"\7F"),
    ],
)
def test_escapes(value: str, text: str) -> None:
    assert distinguished_name(name(("commonName", value))) == f"CN={text}"


def test_characters_are_bytes_as_wsgi_wants_them() -> None:
    assert distinguished_name(name(("commonName", "é"))) == "CN=\xc3\xa9"
