from __future__ import annotations

import pytest

from corn_core.http import grammar

TCHAR = set("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
OCTETS = [chr(octet) for octet in range(256)]


def accepted(match: object, before: str = "", after: str = "") -> set[str]:
    """List the characters that a pattern accepts between the two texts."""
    assert callable(match)
    return {char for char in OCTETS if match(before + char + after)}


def test_token_is_made_of_tchars() -> None:
    assert accepted(grammar.is_token) == TCHAR
    assert not grammar.is_token("")
    assert {ord(char) for char in TCHAR} == grammar.FIRST_OCTETS


def test_target_is_visible_or_obs_text_and_no_fragment() -> None:
    visible = {char for char in OCTETS if char > " " and char not in "#\x7f"}
    assert accepted(grammar.is_target) == visible
    assert accepted(grammar.match_request_line, "GET /", " HTTP/1.1") == visible


def test_value_has_no_control_but_the_tab() -> None:
    value = {char for char in OCTETS if (char >= " " and char != "\x7f") or char == "\t"}
    assert accepted(grammar.is_field_value) == value
    assert accepted(grammar.match_field_line, "a:b", "c") == value
    # A second colon belongs to the value.
    assert accepted(grammar.match_field_line, "a", ":b") == TCHAR | {":"}


@pytest.mark.parametrize(
    ("match", "text"),
    [
        (grammar.is_token, "GET"),
        (grammar.is_target, "/"),
        (grammar.is_version, "HTTP/1.1"),
        (grammar.match_request_line, "GET / HTTP/1.1"),
        (grammar.match_field_line, "Host: a"),
        (grammar.is_field_value, "a"),
        (grammar.is_host, "a:80"),
        (grammar.match_absolute_form, "http://a/b"),
        (grammar.is_authority_form, "a:80"),
        (grammar.is_content_length, "5"),
        (grammar.match_chunk_line, "5;a=b"),
        (grammar.match_status, "200 OK"),
    ],
)
def test_no_pattern_overlooks_a_line_end(match: object, text: str) -> None:
    assert callable(match)
    assert match(text)
    for end in ("\n", "\r", "\r\n", "\0"):
        assert not match(text + end)
        assert not match(end + text)


def test_digits_are_ascii() -> None:
    for match in (grammar.is_content_length, grammar.match_chunk_line):
        assert accepted(match) & set("\xb2\xb3\xb9") == set()
    assert accepted(grammar.is_content_length) == set("0123456789")
    assert accepted(grammar.match_chunk_line) == set("0123456789abcdefABCDEF")


def test_numbers_fit_64_bits() -> None:
    assert grammar.is_content_length("9" * 18)
    assert not grammar.is_content_length("9" * 19)
    size = grammar.match_chunk_line("f" * 15)
    assert size is not None
    assert int(size[1], 16) < 2**63
    assert not grammar.match_chunk_line("f" * 16)


def test_quoted_pair_and_text() -> None:
    assert accepted(grammar.match_chunk_line, '5;a="', '"') == {
        char for char in OCTETS if (char >= " " or char == "\t") and char not in '"\\\x7f'
    }
    assert grammar.match_chunk_line('5;a="\\""')
    assert not grammar.match_chunk_line('5;a="\\"')
    assert not grammar.match_chunk_line('5;a="\\\x01"')


def test_shown_is_short_and_escaped() -> None:
    assert grammar.shown(b"a\r\n") == r"b'a\r\n'"
    assert grammar.shown("caf\xe9") == r"b'caf\xe9'"
    assert grammar.shown(bytearray(b"b" * 60)) == repr(b"b" * 60)
    assert grammar.shown(b"b" * 61) == repr(b"b" * 60) + "..."
