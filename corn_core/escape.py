"""Escapes text from a peer so that it fits on one line of a log."""

from __future__ import annotations


def escape(text: str) -> str:
    r"""Make a value from a client safe to print: it cannot end a line, a field or a quotation.

    A quotation mark becomes ``\"`` and a backslash ``\\``; whatever is not printable ASCII
    becomes ``\xHH``, byte by byte. Characters up to U+00FF stand for the bytes that were
    received, as everywhere in WSGI, and other characters for their UTF-8 bytes. If there is
    nothing to do, the text itself is returned, and not a copy.
    """
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return "".join(map(_escape_character, text))


def _escape_character(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if " " <= character <= "~":
        return character
    if character <= "\xff":
        return f"\\x{ord(character):02x}"
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
