"""The table that ``corn --plugins`` prints."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint

from corn_core.errors import one_line
from corn_core.extensions.entrypoints import GROUPS, PLUGINS, entry_points
from corn_core.extensions.manager import Plugins
from corn_core.hookspecs import HOOKS

HEADINGS = ("distribution", "version", "group", "name", "state", "details")


def listing(plugins: Plugins, columns: int | None = None) -> str:
    """Format what is installed in corn's groups: its distribution, its purpose, and if it loads.

    This imports all drivers, while a server imports only the chosen ones.

    :param columns: the width of the terminal; details that do not fit go on below. None leaves
        every row on its line, for programs that read it.
    :param plugins: loaded with ``strict=False``, so that a bad plugin does not hide the others.
    """
    rows = [HEADINGS]
    for group in GROUPS:
        for each in sorted(entry_points(group), key=lambda each: each.name):
            name = each.dist.name if each.dist else "?"
            version = each.dist.version if each.dist else "?"
            # The details may be long, so they come last, where they do not widen other lines.
            state, details = _plugin(plugins, each) if group == PLUGINS else _driver(each)
            rows.append((name, version, group, each.name, state, details))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS) - 1)]
    return "\n".join(line for row in rows for line in _lines(row, widths, columns))


def _lines(row: tuple[str, ...], widths: list[int], columns: int | None) -> Iterator[str]:
    """Format a row, in several lines if it has to be."""
    *cells, details = row
    start = "".join(f"{cell:{width}}  " for cell, width in zip(cells, widths, strict=True))
    if columns is None:
        yield f"{start}{details}".rstrip()
        return
    # lazy: only this command wraps text
    from textwrap import wrap

    room = max(columns - len(start), 30)
    for part in wrap(details, room, break_long_words=False, break_on_hyphens=False) or [""]:
        yield f"{start}{part}".rstrip()
        start = " " * len(start)


def _plugin(plugins: Plugins, entry_point: EntryPoint) -> tuple[str, str]:
    """Return the state of a plugin, and the hooks it implements, or what is wrong with it."""
    if entry_point.name in plugins.disabled:
        return "disabled", ""
    failure = plugins.failure_of(entry_point)
    if failure is not None:
        return "fails", failure.reason
    plugin = plugins.manager.get_plugin(entry_point.name)
    callers = plugins.manager.get_hookcallers(plugin) or []
    implemented = {caller.name for caller in callers}
    return "loaded", ", ".join(name for name in HOOKS if name in implemented)


def _driver(entry_point: EntryPoint) -> tuple[str, str]:
    try:
        entry_point.load()
    except (Exception, SystemExit) as error:  # broad: importing runs the driver's code
        return "fails", one_line(error)
    return "loads", ""
