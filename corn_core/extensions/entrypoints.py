"""Finds the entry points in corn's groups, with one scan of the installed distributions.

There are two ways to scan. The general one is ``importlib.metadata``, with stevedore to resolve
named drivers. Importing these two takes 20 ms, while everything else until the first response
takes 65 (measured with CPython 3.11), and a first response should not have to wait for that. So
:mod:`corn_core.extensions.scan` looks first, in less than a millisecond. It finds the same in an
ordinary environment, and nothing at all in any other. In that case, and for any name it did not
find, the general way is used.

In neither case does stevedore do the finding. Its on-disk cache compares time stamps at a
resolution of two minutes, so it would miss entry points that changed soon after they were cached;
and a server has no business writing to a home directory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from corn_core.extensions.scan import ScannedEntryPoint, plain_scan

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint as StandardEntryPoint

    EntryPoint = ScannedEntryPoint | StandardEntryPoint

PLUGINS = "corn.plugins"
WORKERS = "corn.workers"
LOGGERS = "corn.loggers"
LOADERS = "corn.loaders"
RELOADERS = "corn.reloaders"
GROUPS = (PLUGINS, WORKERS, LOGGERS, LOADERS, RELOADERS)

FOUND: dict[str, Sequence[EntryPoint]] = {}
"""The result of the last scan, by group; a process scans once, unless a name is missing."""


def entry_points(group: str, *, rescan: bool = False) -> Sequence[EntryPoint]:
    """Return the entry points of one group, in the order of ``sys.path``.

    :param rescan: scan again, in the general way, for something that was not found.
    """
    if rescan or group not in FOUND:
        plain = None if rescan else plain_scan(GROUPS)
        FOUND.update(_general_scan() if plain is None else plain)
    return FOUND[group]


def load_driver(entry_point: EntryPoint) -> Any:
    """Import what a driver's entry point names; its name must be unique in its group.

    :raises Exception: whatever importing it raises.
    """
    if isinstance(entry_point, ScannedEntryPoint):
        return entry_point.load()
    # lazy: see the top of this module; the general scan has imported it by now
    from stevedore import DriverManager

    return DriverManager(entry_point.group, entry_point.name).driver


def astray(name: str) -> str:
    """Return the end of a message about an unknown name: that a misspelt group contains it."""
    # lazy: needed only for mistakes
    from importlib.metadata import entry_points as every_entry_point

    for each in every_entry_point(name=name):
        if each.group.startswith("corn") and each.group not in GROUPS:
            group = f"the entry-point group {each.group!r}"
            return f"; {distribution_of(each)} has it in {group}, which corn does not use"
    return ""


def distribution_of(entry_point: EntryPoint) -> str:
    """Return the name and version of the distribution that an entry point belongs to."""
    dist: Any = entry_point.dist
    return f"{dist.name} {dist.version}" if dist else "unknown distribution"


def _general_scan() -> dict[str, list[StandardEntryPoint]]:
    """Scan with ``importlib.metadata``, and share the result with stevedore's managers."""
    # lazy: see the top of this module
    import importlib.metadata

    # lazy: see the top of this module
    from stevedore import ExtensionManager

    importlib.invalidate_caches()
    everything = importlib.metadata.entry_points()
    found = {group: list(everything.select(group=group)) for group in GROUPS}
    ExtensionManager.ENTRY_POINT_CACHE.update(found)
    return found
