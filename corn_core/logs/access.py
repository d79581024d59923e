"""The access log's format, and how it is compiled into a function."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from corn_core.escape import escape
from corn_core.interfaces import Request, Response
from corn_core.logs.atoms import (
    MISSING,
    NUMBER_SOURCES,
    PREPARATION,
    SAFE_SOURCES,
    SOURCES,
    compile_function,
    find_source,
)
from corn_core.setting import Expected

Renderer = Callable[[Response, Request | None, Mapping[str, Any], timedelta], str]
"""Formats an access line from the response, the request (or None), the environ and the duration."""

# A percent sign, and what of printf(3) may follow it. A width of ten digits would make lines of
# gigabytes, and a longer one none at all.
_PLACEHOLDER = re.compile(
    r"%(?:%|\((?P<name>[^()]*)\)(?P<spec>[-#0 +]*\d{0,3}(?:\.\d{1,3})?)(?P<kind>.)?)"
)


class SafeAtoms(dict[str, Any]):
    """Atoms for ``format % atoms``: escaped, and ``-`` for what is not there."""

    def __getitem__(self, name: str) -> Any:
        value = self.get(name.lower() if name.startswith("{") else name, MISSING)
        return value if isinstance(value, int) else escape(str(value))


class AccessArguments(Mapping[str, Any]):
    """The arguments of an access record: the line, and every atom for filters and formatters.

    Those that are written for Gunicorn find the path in ``record.args["U"]``, for example. Atoms
    are made when the first of them is looked at, which has to be while the record is handled.
    """

    def __init__(self, line: str, atoms: Callable[[], dict[str, Any]]) -> None:
        self._line = line
        self._make = atoms
        self._atoms: SafeAtoms | None = None

    def __getitem__(self, name: str) -> Any:
        return self._line if name == "line" else self._made()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made())

    def __len__(self) -> int:
        return len(self._made())

    def release(self) -> None:
        """Let go of the request; a handler may keep the record."""
        self._make = dict

    def __bool__(self) -> bool:
        # Logging asks, which must not make the atoms.
        return True

    def _made(self) -> SafeAtoms:
        if self._atoms is None:
            self._atoms = SafeAtoms(self._make())
        return self._atoms


def placeholders(text: str) -> list[tuple[str, str]]:
    """Return the atoms that a format names, each with its conversion, ``s`` or ``d``.

    :raises Expected: when the text is not a format; its message shows the place.
    """
    found = []
    position = text.find("%")
    while position >= 0:
        match = _PLACEHOLDER.match(text, position)
        if match is None or (match["name"] is not None and match["kind"] not in ("s", "d")):
            raise Expected(
                "a format of atoms such as %(h)s, and %% for a percent sign"
                f" (there is something else at {text[position : position + 12]!r})"
            )
        if match["name"] is not None:
            found.append((match["name"], match["kind"]))
        position = text.find("%", match.end())
    return found


def check_atoms(text: str) -> None:
    """Refuse a format with an atom that does not exist, or that is not a number.

    :raises Expected: names the atom.
    """
    for name, kind in placeholders(text):
        if find_source(name) is None:
            known = " ".join(sorted(SOURCES, key=str.lower))
            raise Expected(
                f"atoms among {known} {{name}}i {{name}}o {{name}}e (there is no {name!r})"
            )
        if kind == "d" and name not in NUMBER_SOURCES:
            raise Expected(f"%({name})s instead of %({name})d, because the atom is text")


def compile_format(text: str) -> Renderer:
    """Compile a format into a function that evaluates only the atoms that it names.

    :raises Expected: see :func:`placeholders` and :func:`check_atoms`.
    """
    check_atoms(text)
    return compile_function(*_statements(text))


def _statements(text: str) -> Iterator[str]:
    """Write the function for a format, which is like this for ``%(a)s %(D)s``::

        fields = environ or fields_of(req)
        value0 = fields.get('HTTP_USER_AGENT') or '-'
        said = f'{value0}'
        if escape(said) is not said:
            value0 = escape(str(value0))
        return '%s %s' % (value0, elapsed // microsecond)

    What clients and applications said is looked at all at once: it needs no escapes, as a rule.
    """
    yield PREPARATION
    values: list[str] = []
    escaped: list[str] = []
    for name, _ in placeholders(text):
        source = find_source(name)
        if source is None or name in SAFE_SOURCES:
            values.append(str(source))
            continue
        variable = f"value{len(escaped)}"
        yield f"{variable} = {source} or {MISSING!r}"
        values.append(variable)
        escaped.append(variable)
    if escaped:
        yield f"said = f'{''.join([f'{{{each}}}' for each in escaped])}'"
        yield "if escape(said) is not said:"
        yield from [f"    {each} = escape(str({each}))" for each in escaped]
    # The compiler makes of this what it makes of an f-string.
    template = _PLACEHOLDER.sub(
        lambda match: match[0] if match["name"] is None else f"%{match['spec']}{match['kind']}",
        text,
    )
    yield f"return {template!r} % ({''.join([f'{each}, ' for each in values])})"


def parse_access_format(raw: object) -> str:
    """Parse ``access_log_format``; it may name any atom, because a logger may have its own."""
    if not isinstance(raw, str) or not raw.strip():
        raise Expected("a format of atoms such as %(h)s")
    placeholders(raw)
    return raw
