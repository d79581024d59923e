"""The atoms of the access log, and how each is computed from a request and its response.

An atom is written down as a Python expression, so that ``access`` can put those that a format names
together into one function: a call for each of ten atoms would cost more than the rest of the line.
"""

from __future__ import annotations

import os
import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import cache
from time import time
from typing import Any

from corn_core.dates import common_log_time
from corn_core.escape import escape
from corn_core.http.fields import environ_name
from corn_core.interfaces import Request, Response

Atom = Callable[[Response, Request | None, Mapping[str, Any], timedelta], Any]
"""Computes one atom's value; None or empty text when there is none."""

MISSING = "-"

PARAMETERS = "resp, req, environ, elapsed"
"""What a function that computes atoms takes."""

PREPARATION = "fields = environ or fields_of(req)"
"""A statement that precedes the expressions, which may use ``fields``."""

_MICROSECOND = timedelta(microseconds=1)
_MILLISECOND = timedelta(milliseconds=1)
_SECOND = timedelta(seconds=1)

_NAMED = re.compile(r"\{([^{}]+)\}([ioe])")


# -- what the expressions use --------------------------------------------------------


class _Protocols(dict[tuple[int, int], str]):
    """The names of protocols by version."""

    def __missing__(self, version: tuple[int, int]) -> str:
        return f"HTTP/{version[0]}.{version[1]}"


class _Times(dict[int, str]):
    """The text of the present second, which is made once."""

    def __missing__(self, second: int) -> str:
        # Threads may make it twice, or throw away what another one has made: no harm is done.
        self.clear()
        text = self[second] = common_log_time(second)
        return text


def _user(fields: Mapping[str, Any]) -> str | None:
    scheme, _, credentials = fields["HTTP_AUTHORIZATION"].partition(" ")
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


def _fields_of(req: Request | None) -> dict[str, str]:
    """Return the fields of a request that has no environ, by the names they would have in it."""
    fields: dict[str, str] = {}
    for name, value in req.headers if req else ():
        key = environ_name(name)
        fields[key] = f"{fields[key]},{value}" if key in fields else value
    return fields


def _response_field(resp: Response, wanted: str) -> str:
    return ", ".join([value for name, value in resp.headers if name.lower() == wanted])


def _variable(environ: Mapping[str, Any], name: str) -> str | None:
    value = environ.get(name)
    return value if value is None else str(value)


def _decimal_seconds(elapsed: timedelta) -> str:
    seconds, rest = divmod(elapsed // _MICROSECOND, 1_000_000)
    return f"{seconds}.{rest:06}"


NAMESPACE: dict[str, Any] = {
    "decimal_seconds": _decimal_seconds,
    "escape": escape,
    "fields_of": _fields_of,
    "getpid": os.getpid,
    "microsecond": _MICROSECOND,
    "millisecond": _MILLISECOND,
    "protocols": _Protocols({(1, 1): "HTTP/1.1", (1, 0): "HTTP/1.0"}),
    "response_field": _response_field,
    "second": _SECOND,
    "time": time,
    "times": _Times(),
    "user": _user,
    "variable": _variable,
}
"""The global names of the functions that are made of expressions."""


# -- the atoms -----------------------------------------------------------------------
#
# What a request said is taken from the request, because applications change their environ. The
# address and the fields are taken from the environ: middleware that knows the proxies in front
# corrects REMOTE_ADDR there, and people rely on seeing it in the log.

CLIENT_SOURCES = {
    "h": "environ.get('REMOTE_ADDR')",
    "u": "fields.get('HTTP_AUTHORIZATION') and user(fields)",
    "r": "req and f'{req.method} {req.uri} {protocols[req.version]}'",
    "m": "req and req.method",
    "U": "req and req.path",
    "q": "req and req.query",
    "H": "req and protocols[req.version]",
    "s": "resp.status.partition(' ')[0]",
    "f": "fields.get('HTTP_REFERER')",
    "a": "fields.get('HTTP_USER_AGENT')",
}
"""Those with text of a client or an application in them."""

TEXT_SOURCES = {
    "l": repr(MISSING),
    "t": "times[int(time())]",
    "b": f"str(resp.sent or {MISSING!r})",
    "L": "decimal_seconds(elapsed)",
    "p": "f'<{getpid()}>'",
}

# The whole of the duration counts: timedelta.seconds and .microseconds leave out the days.
NUMBER_SOURCES = {
    "B": "resp.sent",
    "T": "elapsed // second",
    "M": "elapsed // millisecond",
    "D": "elapsed // microsecond",
}
"""Atoms that ``%(...)d`` takes too."""

SAFE_SOURCES = TEXT_SOURCES | NUMBER_SOURCES
SOURCES = CLIENT_SOURCES | SAFE_SOURCES


def find_source(name: str) -> str | None:
    """Return the expression of an atom; None if there is none.

    Beside those of the tables there are fields of the request and the response, and variables of
    the environ: ``{user-agent}i``, ``{content-type}o``, ``{wsgi.url_scheme}e``.
    """
    named = _NAMED.fullmatch(name)
    if named is None:
        return SOURCES.get(name)
    wanted, kind = named[1].strip(), named[2]
    if kind == "i":
        return f"fields.get({environ_name(wanted)!r})"
    if kind == "o":
        return f"response_field(resp, {wanted.lower()!r})"
    return f"variable(environ, {wanted!r})"


def compile_function(*statements: str) -> Callable[..., Any]:
    """Make a function of :data:`PARAMETERS` out of statements."""
    names: dict[str, Any] = {}
    body = "\n    ".join(statements)
    # Text of the configuration is in it only as literals, made by repr().
    exec(f"def made({PARAMETERS}):\n    {body}", NAMESPACE, names)
    function: Callable[..., Any] = names["made"]
    return function


class AtomFunctions(Mapping[str, Atom]):
    """Functions that compute one atom each, made when they are looked up."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources

    def __getitem__(self, name: str) -> Atom:
        return compile_function(PREPARATION, f"return {self._sources[name]}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)


CLIENT_ATOMS: Mapping[str, Atom] = AtomFunctions(CLIENT_SOURCES)
"""Atoms with text of a client or an application in them: escaped before they are printed."""


@cache
def _compute_all() -> Callable[..., dict[str, Any]]:
    items = ", ".join([f"{name!r}: {source}" for name, source in SOURCES.items()])
    return compile_function(PREPARATION, f"return {{{items}}}")


def all_atoms(
    resp: Response, req: Request | None, environ: Mapping[str, Any], elapsed: timedelta
) -> dict[str, Any]:
    """Compute every atom by name, including fields and variables, without escaping anything.

    The names of fields and variables are in lower case: ``{user-agent}i``.
    """
    atoms = _compute_all()(resp, req, environ, elapsed)
    atoms.update({f"{{{name.lower()}}}i": value for name, value in (req.headers if req else ())})
    atoms.update({f"{{{name.lower()}}}o": value for name, value in resp.headers})
    atoms.update({f"{{{name.lower()}}}e": value for name, value in environ.items()})
    return {name: MISSING if value in (None, "") else value for name, value in atoms.items()}
