from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corn_core.escape import escape


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("", ""),
        ("/shop?id=1&q=a b", "/shop?id=1&q=a b"),
        ('a "quoted" word', r"a \"quoted\" word"),
        ("back\\slash", r"back\\slash"),
        ("\r\n127.0.0.1", r"\x0d\x0a127.0.0.1"),
        ("\0\t\x1b\x7f", r"\x00\x09\x1b\x7f"),
        ("caf\xe9\x85\xa0", r"caf\xe9\x85\xa0"),
        ("\u2028", r"\xe2\x80\xa8"),
        ("\ud800", r"\xed\xa0\x80"),
    ],
)
def test_escape(text: str, escaped: str) -> None:
    assert escape(text) == escaped


@given(st.text(st.characters(max_codepoint=255)))
def test_no_value_breaks_out_of_its_quotes_and_none_is_ambiguous(text: str) -> None:
    escaped = escape(text)
    assert re.fullmatch(r'(?:[ !#-\[\]-~]|\\["\\]|\\x[0-9a-f]{2})*', escaped)
    restored = re.sub(
        r"\\(?:x(..)|(.))",
        lambda match: chr(int(match[1], 16)) if match[1] else match[2],
        escaped,
    )
    assert restored == text
