r"""The grammar of HTTP/1.x: compiled patterns, each beside the rules it implements.

The rules are quoted from RFC 9110, RFC 9112 and RFC 3986. The patterns work on text decoded as
latin-1, one character per byte, so that ``obs-text`` (%x80-FF, RFC 9110 section 5.5) passes
through unchanged. Each name is bound to the ``fullmatch`` of its pattern, so a pattern cannot be
used without anchoring it at both ends.

Digits and hex digits are written out, because ``\d`` and ``str.isdigit`` accept more than ASCII.
Repetitions that could match in two ways are possessive (``*+``), so that every input takes
linear time at most. Only those of a single character class are: before Python 3.11.5, a possessive
group that fails in the middle takes what it has matched until then (gh-106052).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache


def _when_needed(pattern: str) -> Callable[[str], re.Match[str] | None]:
    """Return the ``fullmatch`` of a rarely needed pattern, which is compiled on first use.

    Compiling the three below would add 1.5 ms to every start.
    """
    compiled = cache(lambda: re.compile(pattern).fullmatch)
    return lambda text: compiled()(text)


# tchar = "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "." / "^" / "_" / "`" / "|"
#       / "~" / DIGIT / ALPHA
# token = 1*tchar                                                    (RFC 9110 section 5.6.2)
_TCHAR = r"!#$%&'*+\-.^_`|~0-9A-Za-z"
_TOKEN = rf"[{_TCHAR}]+"
is_token = re.compile(_TOKEN).fullmatch

FIRST_OCTETS = frozenset(octet for octet in range(256) if is_token(chr(octet)))
"""The possible first octets of a request, which begins with a method and so with a token."""

# request-line   = method SP request-target SP HTTP-version            (RFC 9112 section 3)
# method         = token
# HTTP-version   = HTTP-name "/" DIGIT "." DIGIT                       (RFC 9112 section 2.3)
# HTTP-name      = %s"HTTP"
# request-target: every visible octet and obs-text. RFC 3986 allows fewer, but clients send the
# others unescaped, and since none of them is white space, they cannot affect framing.
# "#" begins a fragment, which is never sent (RFC 9112 section 3.2).
_TARGET = r"[!\"$-~\x80-\xff]+"
match_request_line = re.compile(rf"({_TOKEN}) ({_TARGET}) HTTP/1\.([01])").fullmatch
is_target = re.compile(_TARGET).fullmatch
is_version = re.compile(r"HTTP/[0-9]\.[0-9]").fullmatch

# field-line     = field-name ":" OWS field-value OWS                    (RFC 9112 section 5)
# field-name     = token
# field-value    = *field-content                                        (RFC 9110 section 5.5)
# field-content  = field-vchar [ 1*( SP / HTAB / field-vchar ) field-vchar ]
# field-vchar    = VCHAR / obs-text
# The trailing OWS is part of the second group here, and stripped by the caller.
_VALUE = r"[\t -~\x80-\xff]*"
match_field_line = re.compile(rf"({_TOKEN}):[ \t]*+({_VALUE})").fullmatch
is_field_value = re.compile(_VALUE).fullmatch

_VALUE_OCTETS = bytes((0x09, *range(0x20, 0x7F), *range(0x80, 0x100)))


def is_clean(head: bytes, ends: int) -> bool:
    """Tell whether a head has no control characters except tabs and the CRLFs between its lines.

    One pass over all octets: if more is left without those of field values than its CRLFs, it is a
    bare CR or LF, or another control character.

    :param ends: the number of CRLFs in it.
    """
    return len(head.translate(None, _VALUE_OCTETS)) == 2 * ends


# Host           = uri-host [ ":" port ]                                 (RFC 9110 section 7.2)
# uri-host       = IP-literal / IPv4address / reg-name                   (RFC 3986 section 3.2.2)
# reg-name       = *( unreserved / pct-encoded / sub-delims )
# IP-literal     = "[" ( IPv6address / IPvFuture )  "]"
# port           = *DIGIT
_NAMED = r"[A-Za-z0-9\-._~!$&'()*+,;=]*+(?:%[0-9A-Fa-f]{2}[A-Za-z0-9\-._~!$&'()*+,;=]*+)*"
_LITERAL = r"\[(?:[0-9A-Fa-f:.]+|[vV][0-9A-Fa-f]+\.[A-Za-z0-9\-._~!$&'()*+,;=:]+)\]"
is_host = re.compile(rf"(?:{_LITERAL}|{_NAMED})(?::[0-9]*)?").fullmatch
# One that is not empty: it begins with none of what may come after it.
_HOST = rf"(?:{_LITERAL}|(?=[^:/?]){_NAMED})"

# absolute-form  = absolute-URI                                         (RFC 9112 section 3.2.2)
# http-URI       = "http" "://" authority path-abempty [ "?" query ]     (RFC 9110 section 4.2.1)
# The host must not be empty there, and userinfo ("user@") is an error   (RFC 9110 section 4.2.4).
# Path and query are as in the request line, the path without "?".
match_absolute_form = _when_needed(
    rf"[hH][tT][tT][pP][sS]?://({_HOST}(?::[0-9]*)?)"
    r"(/[!\"$->@-~\x80-\xff]*)?(?:\?([!\"$-~\x80-\xff]*))?"
)

# authority-form = uri-host ":" port                                    (RFC 9112 section 3.2.3)
# The port must be there                                                (RFC 9110 section 9.3.6).
is_authority_form = _when_needed(rf"{_HOST}:[0-9]{{1,5}}")

# Content-Length = 1*DIGIT                                               (RFC 9110 section 8.6)
# 18 digits are more than any body needs, and fit into 64 bits. Python's int() refuses to convert
# several thousand digits, and takes quadratic time below that.
is_content_length = re.compile(r"[0-9]{1,18}").fullmatch

# chunk          = chunk-size [ chunk-ext ] CRLF chunk-data CRLF         (RFC 9112 section 7.1)
# chunk-size     = 1*HEXDIG
# chunk-ext      = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
# chunk-ext-name = token
# chunk-ext-val  = token / quoted-string
# quoted-string  = DQUOTE *( qdtext / quoted-pair ) DQUOTE              (RFC 9110 section 5.6.4)
# 15 hexadecimal digits fit into 64 bits.
_QDTEXT = r"[\t !#-\[\]-~\x80-\xff]*+"
_QUOTED = rf'"{_QDTEXT}(?:\\[\t -~\x80-\xff]{_QDTEXT})*"'
_EXTENSION = rf"[ \t]*+;[ \t]*+[{_TCHAR}]++(?:[ \t]*+=[ \t]*+(?:[{_TCHAR}]++|{_QUOTED}))?"
match_chunk_line = _when_needed(rf"([0-9A-Fa-f]{{1,15}})(?:{_EXTENSION})*")

# status-line    = HTTP-version SP status-code SP [ reason-phrase ]        (RFC 9112 section 4)
# status-code    = 3DIGIT                        (RFC 9110 section 15: 100 is the smallest)
# reason-phrase  = 1*( HTAB / SP / VCHAR / obs-text )
match_status = re.compile(rf"([1-9][0-9]{{2}})(?: ({_VALUE}))?").fullmatch


def shown(text: bytes | bytearray | str) -> str:
    """Quote a piece of a message for an error text: escaped, and shortened if it is long."""
    octets = text[:60].encode("latin-1") if isinstance(text, str) else bytes(text[:60])
    return repr(octets) + ("..." if len(text) > 60 else "")
