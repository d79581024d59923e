"""Explains a setting, a flag, a hook or an import of Gunicorn's that means something else here."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

from corn_core.plugin import Finding
from corn_gunicorn.attributes import findings_in
from corn_gunicorn.finder import NAME, is_ours
from corn_gunicorn.table import BY_FLAG, BY_NAME, Known


def explain(name: str, value: Any) -> list[Finding]:
    """Say what is lost of a setting, flag or hook with that value."""
    return list(_explain(name, value))


def _explain(name: str, value: Any) -> Iterator[Finding]:
    if isinstance(value, ModuleType):
        yield from _imported(value)
        return
    row = BY_FLAG.get(name) or BY_NAME.get(name)
    if row is None:
        return
    if not row.carried:
        yield _missing(row, name, value)
    elif callable(value):
        yield from findings_in(name, value)
    elif isinstance(value, str) and value.strip().lower() in row.values:
        text = f"{name} has no value {value!r} in corn"
        yield Finding("error", text, row.values[value.strip().lower()])


def _missing(row: Known, name: str, value: Any) -> Finding:
    flag = name in row.flags
    given = True if flag and not row.takes_argument else value
    shown = name if flag or callable(value) else f"{name} = {value!r}"
    return Finding(
        "fine" if _is_harmless(row, given) else row.level,
        f"{shown}: {row.text}",
        row.instead,
        takes_argument=flag and row.takes_argument,
    )


def _is_harmless(row: Known, value: Any) -> bool:
    if not value:
        return True
    text = _plain(value)
    if row.matters:
        return text not in map(_plain, row.matters)
    return text in map(_plain, row.harmless)


def _plain(value: object) -> str:
    return str(value).strip().lower()


def _imported(module: ModuleType) -> Iterator[Finding]:
    """Tell which package a config file has imported, and what it has set there to no effect."""
    if module.__name__ == NAME and not is_ours():
        yield Finding(
            "note",
            "gunicorn is installed, so what is imported from it is not corn's",
            "pip uninstall gunicorn lets corn's counterparts take its place",
        )
    for name, value in getattr(module, "corn_assigned", {}).items():
        yield Finding(
            "ignored",
            f"gunicorn.{name} = {value!r}: the responses say Server: corn, without a version",
            "a proxy in front can set the field Server",
        )
