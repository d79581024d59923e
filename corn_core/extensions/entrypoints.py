"""Lists the entry points in corn's groups, and loads named drivers with stevedore.

``importlib.metadata`` reads the entry points of all installed distributions, once per process, and
the result is put where stevedore's managers look first. Without it stevedore would consult an
on-disk cache of its own. That cache compares time stamps at a resolution of two minutes, so it
would miss entry points that changed soon after they were cached; it does not record which
distribution an entry point belongs to, which error messages say; and a server has no business
writing to a home directory.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Sequence
from importlib.metadata import EntryPoint
from typing import Any

from stevedore import DriverManager, ExtensionManager

PLUGINS = "corn.plugins"
WORKERS = "corn.workers"
LOGGERS = "corn.loggers"
LOADERS = "corn.loaders"
RELOADERS = "corn.reloaders"
GROUPS = (PLUGINS, WORKERS, LOGGERS, LOADERS, RELOADERS)

_listed = ExtensionManager.ENTRY_POINT_CACHE


def entry_points(group: str, *, rescan: bool = False) -> Sequence[EntryPoint]:
    """Return the entry points of one group, in the order of ``sys.path``.

    :param rescan: scan again, for something that may have been installed since the last scan.
    """
    if rescan or group not in _listed:
        importlib.invalidate_caches()
        everything = importlib.metadata.entry_points()
        _listed.update({each: list(everything.select(group=each)) for each in GROUPS})
    return _listed[group]


def load_driver(group: str, name: str) -> Any:
    """Import the driver of that name; exactly one entry point of the group must have it.

    :raises Exception: whatever importing it raises.
    """
    return DriverManager(group, name).driver


def astray(name: str) -> str:
    """Return the end of a message about an unknown name: that a misspelt group contains it."""
    for each in importlib.metadata.entry_points(name=name):
        if each.group.startswith("corn") and each.group not in GROUPS:
            group = f"the entry-point group {each.group!r}"
            return f"; {distribution_of(each)} has it in {group}, which corn does not use"
    return ""


def distribution_of(entry_point: EntryPoint) -> str:
    """Return the name and version of the distribution that an entry point belongs to."""
    dist = entry_point.dist
    return f"{dist.name} {dist.version}" if dist else "unknown distribution"
