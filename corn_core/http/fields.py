"""Field lines of a request: from the wire to the name and value that WSGI uses.

The environ name of ``X-Thing`` is ``HTTP_X_THING``; those of ``Content-Type`` and
``Content-Length`` have no prefix (RFC 3875 section 4.1.18, PEP 3333). In these names a hyphen and
an underscore look the same, which is why fields with underscores have a policy of their own.
"""

from __future__ import annotations

from collections.abc import Iterable

from corn_core.errors import BadFieldLine
from corn_core.http.grammar import is_token, match_field_line, shown
from corn_core.http.limits import HeaderMap

Pair = tuple[str, str]

# Names seen before, with those of the environ. A name is validated once and looked up from then on,
# because clients and proxies use few. A name with an underscore is not kept: what becomes of it
# depends on a policy, and all parsers of the process share the memo.
_names: dict[str, str] = {}
MEMO_SIZE = 1024
MEMO_NAME = 64

known_name = _names.get
"""Returns the environ name of a field name seen before, or None."""

# Under the policy "keep", a field with underscores may not impersonate any of these: they decide
# the framing of this message and the next, or a proxy vouches for them.
_VOUCHED = frozenset(
    {
        *("CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_AUTHORIZATION", "HTTP_CONNECTION"),
        *("HTTP_COOKIE", "HTTP_EXPECT", "HTTP_FORWARDED", "HTTP_HOST", "HTTP_KEEP_ALIVE"),
        *("HTTP_PROXY", "HTTP_PROXY_AUTHORIZATION", "HTTP_PROXY_CONNECTION", "HTTP_TE"),
        *("HTTP_TRAILER", "HTTP_TRANSFER_ENCODING", "HTTP_UPGRADE", "HTTP_VIA"),
    }
)
_VOUCHED_PREFIXES = ("HTTP_X_FORWARDED_", "HTTP_X_REAL_", "HTTP_X_CLIENT_", "HTTP_X_SSL_")

# RFC 9110 section 6.5.1: what decides about framing, routing, credentials, request modifiers,
# response controls or the content's format comes too late in a trailer section. Nor may what a
# proxy vouches for come in that way.
_NOT_IN_TRAILERS = _VOUCHED | {
    *("HTTP_AGE", "HTTP_CACHE_CONTROL", "HTTP_CONTENT_ENCODING", "HTTP_CONTENT_LANGUAGE"),
    *("HTTP_CONTENT_LOCATION", "HTTP_CONTENT_RANGE", "HTTP_DATE", "HTTP_EXPIRES"),
    *("HTTP_IF_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_NONE_MATCH", "HTTP_IF_RANGE"),
    *("HTTP_IF_UNMODIFIED_SINCE", "HTTP_LOCATION", "HTTP_MAX_FORWARDS", "HTTP_PRAGMA"),
    *("HTTP_PROXY_AUTHENTICATE", "HTTP_RANGE", "HTTP_RETRY_AFTER", "HTTP_SET_COOKIE"),
    *("HTTP_VARY", "HTTP_WARNING", "HTTP_WWW_AUTHENTICATE"),
}


def read_field(line: str, policy: HeaderMap) -> Pair | None:
    """Parse a field line into environ name and value; returns None when the policy drops it.

    :raises BadFieldLine: for what is not a field line.
    """
    match = match_field_line(line)
    if match is None:
        raise explain(line)
    name, value = match.groups()
    key = known_name(name) or _name_of(name, policy)
    return None if key is None else (key, value.rstrip(" \t"))


def read_trailer(line: str, policy: HeaderMap) -> Pair | None:
    """Read a field line of a trailer section; None when it is dropped.

    A field that may not be a trailer is dropped, whatever its value: RFC 9110 section 6.5.1 has
    recipients ignore it, and a proxy in front may have let it pass.

    :returns: the upper-case name and the value.
    :raises BadFieldLine: for what is not a field line.
    """
    match = match_field_line(line)
    if match is None:
        raise explain(line)
    name, value = match.groups()
    key = _name_of(name, policy)
    if key is None or key in _NOT_IN_TRAILERS or key.startswith(_VOUCHED_PREFIXES):
        return None
    return name.upper(), value.rstrip(" \t")


def environ_name(name: str) -> str:
    """Return the name that WSGI uses for a field."""
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key


def _name_of(name: str, policy: HeaderMap) -> str | None:
    key = environ_name(name)
    if "_" not in name:
        if len(name) <= MEMO_NAME:
            if len(_names) >= MEMO_SIZE:
                _names.clear()
            _names[name] = key
        return key
    if policy == "refuse":
        raise BadFieldLine(f"underscore in field name: {shown(name)}")
    if policy == "drop" or key in _VOUCHED or key.startswith(_VOUCHED_PREFIXES):
        return None
    return key


def split_lines(lines: Iterable[str]) -> list[Pair]:
    """Split field lines, known to be well-formed, into upper-case names and values."""
    pairs = []
    for line in lines:
        name, _, value = line.partition(":")
        pairs.append((name.upper(), value.strip(" \t")))
    return pairs


def refuse_both_spellings(pairs: Iterable[Pair]) -> None:
    """Refuse a request whose fields ``X-A`` and ``X_A`` the application could not tell apart."""
    spelling: dict[str, str] = {}
    for name, _ in pairs:
        first = spelling.setdefault(environ_name(name), name)
        if first != name:
            raise BadFieldLine(f"two spellings of one field: {shown(first)}, {shown(name)}")


def explain(line: str) -> BadFieldLine:
    """Say what is wrong with a line that is not a field line (RFC 9112 section 5)."""
    name, colon, _ = line.partition(":")
    if line[:1] in (" ", "\t"):
        # RFC 9112 sections 2.2 (before the first field) and 5.2 (obs-fold).
        return BadFieldLine(f"white space at the beginning of a field line: {shown(line)}")
    if not colon:
        return BadFieldLine(f"no ':' in field line: {shown(line)}")
    if name[-1:] in (" ", "\t"):
        # RFC 9112 section 5.1: a server MUST reject it with 400.
        return BadFieldLine(f"space before ':' in field name: {shown(name)}")
    if not is_token(name):
        return BadFieldLine(f"not a field name: {shown(name)}")
    if "\r" in line or "\n" in line:
        # RFC 9112 section 2.2 for the bare CR.
        return BadFieldLine(f"bare CR or LF in field line: {shown(line)}")
    # RFC 9110 section 5.5.
    return BadFieldLine(f"control character in the value of field {shown(name)}")
