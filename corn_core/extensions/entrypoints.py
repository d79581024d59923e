"""The entry points of corn's groups: one scan of the installed distributions for all of them.

stevedore loads drivers, but does not do the finding. Its on-disk cache compares
time stamps at a resolution of two minutes, so that entry points which changed
soon after they were cached are not seen; and a server has no business writing
to a home directory. A scan without it takes a millisecond or two, and knows of
which distribution an entry point is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

PLUGINS = "corn.plugins"
WORKERS = "corn.workers"
LOGGERS = "corn.loggers"
LOADERS = "corn.loaders"
GROUPS = (PLUGINS, WORKERS, LOGGERS, LOADERS)


def entry_points(group: str, *, rescan: bool = False) -> list[EntryPoint]:
    """The entry points of one group, in the order of ``sys.path``.

    The first call scans for all groups and leaves the result in the cache of
    stevedore's managers, so that every later call, and every manager that is
    built, goes by the same scan.
    """
    # lazy: stevedore costs 25 ms, and `corn --version` does without
    from stevedore import ExtensionManager

    cache: dict[str, list[EntryPoint]] = ExtensionManager.ENTRY_POINT_CACHE
    if rescan or group not in cache:
        # lazy: brought in by stevedore anyway
        import importlib.metadata

        if rescan:
            importlib.invalidate_caches()
        found = importlib.metadata.entry_points()
        cache.update({each: list(found.select(group=each)) for each in GROUPS})
    return cache[group]


def distribution_of(entry_point: EntryPoint) -> str:
    """The name and version of the distribution that an entry point belongs to."""
    dist: Any = entry_point.dist
    return f"{dist.name} {dist.version}" if dist else "unknown distribution"
