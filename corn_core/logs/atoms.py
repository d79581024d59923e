"""The atoms of the access log, and how each is computed from a request and its response."""

from __future__ import annotations

import os
import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable, Mapping
from datetime import timedelta
from time import time
from typing import Any

from corn_core.dates import common_log_time
from corn_core.escape import escape
from corn_core.http.fields import environ_name
from corn_core.interfaces import Request, Response

Atom = Callable[[Response, Request | None, Mapping[str, Any], timedelta], Any]
"""Computes one atom's value; None or empty text when there is none."""

MISSING = "-"

_MICROSECOND = timedelta(microseconds=1)
_MILLISECOND = timedelta(milliseconds=1)
_SECOND = timedelta(seconds=1)
_PROTOCOLS = {(1, 1): "HTTP/1.1", (1, 0): "HTTP/1.0"}

_NAMED = re.compile(r"\{([^{}]+)\}([ioe])")


# -- the atoms -----------------------------------------------------------------------
#
# What a request said is taken from the request, because applications change their environ. The
# address and the fields are taken from the environ: middleware that knows the proxies in front
# corrects REMOTE_ADDR there, and people rely on seeing it in the log.


def _user(resp: Response, req: Request | None, environ: Any, elapsed: Any) -> Any:
    scheme, _, credentials = (_field("HTTP_AUTHORIZATION", req, environ) or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        # Whatever the charset (RFC 7617 section 2.1), each byte is a character, as in WSGI.
        decoded = a2b_base64(credentials.strip(), strict_mode=True).decode("latin-1")
    except (Base64Error, ValueError):
        # It is not base64, or has characters beyond ASCII in it.
        return None
    user, colon, _ = decoded.partition(":")
    return user if colon else None


_stamp = (0, "")


def _time(resp: Response, req: Request | None, environ: Any, elapsed: Any) -> Any:
    # The text of a second is made once. Threads may make it twice, which does no harm: it is
    # stored and read in one piece.
    global _stamp
    second, text = _stamp
    now = int(time())
    if second != now:
        text = common_log_time(now)
        _stamp = (now, text)
    return text


def _protocol(resp: Response, req: Request | None, environ: Any, elapsed: Any) -> Any:
    if req is None:
        return None
    version = req.version
    return _PROTOCOLS.get(version) or f"HTTP/{version[0]}.{version[1]}"


def _request_line(resp: Response, req: Request | None, environ: Any, elapsed: Any) -> Any:
    if req is None:
        return None
    return f"{req.method} {req.uri} {_protocol(resp, req, environ, elapsed)}"


def _decimal_seconds(resp: Response, req: Request | None, environ: Any, elapsed: timedelta) -> Any:
    seconds, rest = divmod(elapsed // _MICROSECOND, 1_000_000)
    return f"{seconds}.{rest:06}"


CLIENT_ATOMS: dict[str, Atom] = {
    "h": lambda resp, req, environ, elapsed: environ.get("REMOTE_ADDR"),
    "u": _user,
    "r": _request_line,
    "m": lambda resp, req, environ, elapsed: req and req.method,
    "U": lambda resp, req, environ, elapsed: req and req.path,
    "q": lambda resp, req, environ, elapsed: req and req.query,
    "H": _protocol,
    "s": lambda resp, req, environ, elapsed: resp.status.partition(" ")[0],
    "f": lambda resp, req, environ, elapsed: _field("HTTP_REFERER", req, environ),
    "a": lambda resp, req, environ, elapsed: _field("HTTP_USER_AGENT", req, environ),
}
"""Atoms with text of a client or an application in them: escaped before they are printed."""

TEXT_ATOMS: dict[str, Atom] = {
    "l": lambda resp, req, environ, elapsed: MISSING,
    "t": _time,
    "b": lambda resp, req, environ, elapsed: str(resp.sent) if resp.sent else MISSING,
    "L": _decimal_seconds,
    "p": lambda resp, req, environ, elapsed: f"<{os.getpid()}>",
}

# The whole of the duration counts: timedelta.seconds and .microseconds leave out the days.
NUMBER_ATOMS: dict[str, Atom] = {
    "B": lambda resp, req, environ, elapsed: resp.sent,
    "T": lambda resp, req, environ, elapsed: elapsed // _SECOND,
    "M": lambda resp, req, environ, elapsed: elapsed // _MILLISECOND,
    "D": lambda resp, req, environ, elapsed: elapsed // _MICROSECOND,
}
"""Atoms that ``%(...)d`` takes too."""

ATOMS = CLIENT_ATOMS | TEXT_ATOMS | NUMBER_ATOMS


# -- fields and variables ------------------------------------------------------------


def _field(key: str, req: Request | None, environ: Mapping[str, Any]) -> Any:
    """Return a field of the request by its environ name, even if there is no environ."""
    if environ or req is None:
        return environ.get(key)
    values = [value for name, value in req.headers if environ_name(name) == key]
    return ",".join(values)


def _request_field(name: str) -> Atom:
    key = environ_name(name)
    return lambda resp, req, environ, elapsed: _field(key, req, environ)


def _response_field(name: str) -> Atom:
    wanted = name.lower()

    def atom(resp: Response, req: Request | None, environ: Any, elapsed: Any) -> Any:
        return ", ".join([value for name, value in resp.headers if name.lower() == wanted])

    return atom


def _variable(name: str) -> Atom:
    def atom(resp: Response, req: Request | None, environ: Any, elapsed: Any) -> Any:
        value = environ.get(name)
        return value if value is None else str(value)

    return atom


_MAKERS = {"i": _request_field, "o": _response_field, "e": _variable}


def find_atom(name: str) -> Atom | None:
    """Return the atom of this name, escaped for printing; None if there is none."""
    safe = TEXT_ATOMS.get(name) or NUMBER_ATOMS.get(name)
    if safe is not None:
        return safe
    found = CLIENT_ATOMS.get(name)
    if found is None:
        named = _NAMED.fullmatch(name)
        if named is None:
            return None
        found = _MAKERS[named[2]](named[1].strip())
    return _escaped(found)


def _escaped(atom: Atom) -> Atom:
    def escaped_atom(resp: Response, req: Request | None, environ: Any, elapsed: Any) -> Any:
        value = atom(resp, req, environ, elapsed)
        return escape(value) if value else MISSING

    return escaped_atom


def all_atoms(
    resp: Response, req: Request | None, environ: Mapping[str, Any], elapsed: timedelta
) -> dict[str, Any]:
    """Compute every atom by name, including fields and variables, without escaping anything.

    The names of fields and variables are in lower case: ``{user-agent}i``.
    """
    atoms = {name: atom(resp, req, environ, elapsed) for name, atom in ATOMS.items()}
    atoms.update({f"{{{name.lower()}}}i": value for name, value in (req.headers if req else ())})
    atoms.update({f"{{{name.lower()}}}o": value for name, value in resp.headers})
    atoms.update({f"{{{name.lower()}}}e": value for name, value in environ.items()})
    return {name: MISSING if value in (None, "") else value for name, value in atoms.items()}
