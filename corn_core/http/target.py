"""The forms of a request target other than the usual origin-form."""

from __future__ import annotations

from corn_core.errors import BadRequestLine
from corn_core.http.grammar import is_authority_form, match_absolute_form, shown

Target = tuple[str, str, str | None]
"""Path and query as received, and the authority if the target has one."""


def split_target(method: str, target: str) -> Target:
    """Split a target that is not in origin-form (RFC 9112 section 3.2).

    Path and query are empty in authority-form and asterisk-form (RFC 9112 section 3.3).

    :param target: consists of visible octets only.
    :raises BadRequestLine: when it has none of the forms, or one that its method does not allow.
    """
    if method == "CONNECT":
        # authority-form, and RFC 9110 section 9.3.6 for the port.
        if not is_authority_form(target) or not 0 < int(target.rpartition(":")[2]) < 65536:
            raise BadRequestLine(f"CONNECT needs host:port as its target: {shown(target)}")
        return "", "", target
    if target == "*":
        # asterisk-form (section 3.2.4)
        if method != "OPTIONS":
            raise BadRequestLine("the target '*' is for OPTIONS only")
        return "", "", None
    match = match_absolute_form(target)
    if match is None:
        # Relative targets too, and an authority without CONNECT.
        raise BadRequestLine(f"malformed target: {shown(target)}")
    # An empty path is "/" (RFC 9110 section 4.2.3).
    return match[2] or "/", match[3] or "", match[1]
