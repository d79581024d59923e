"""The entry points of an ordinary environment, by a plain look at its directories.

Nearly every environment is ordinary: what is on ``sys.path`` are directories, and in them
each distribution has a directory ``NAME-VERSION.dist-info`` or ``.egg-info`` with a file
``entry_points.txt`` (the entry points specification of the Python packaging user guide).
:func:`plain_scan` reads such an environment exactly as ``importlib.metadata`` does, the
order and the choice among duplicates included, without the 15 ms that importing that
module takes. Whatever it does not understand it leaves alone, and finds nothing at all:
an archive on ``sys.path``, an egg, a finder of distributions that somebody installed, a
file that does not keep to the rules.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator
from functools import reduce
from importlib import import_module
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.metadata import Distribution

_INFO = (".dist-info", ".egg-info")
_MARK = b"corn."
"""What a file must contain to be worth parsing: the beginning of the groups' names."""


class ScannedEntryPoint:
    """One entry point; used as ``importlib.metadata.EntryPoint`` is."""

    __slots__ = ("_info", "group", "name", "value")

    def __init__(self, name: str, value: str, group: str, info: str) -> None:
        self.name = name
        self.value = value
        self.group = group
        self._info = info

    def __repr__(self) -> str:
        return f"<entry point {self.name} = {self.value} of {self._info}>"

    @property
    def dist(self) -> Distribution:
        # lazy: it is asked for when something is listed or goes wrong
        from importlib.metadata import Distribution

        return Distribution.at(self._info)

    def load(self) -> Any:
        """Import the module, and return it or the attribute of it that the value names."""
        module, colon, attributes = self.value.partition(":")
        names = attributes.split(".") if colon else []
        if all(map(str.isidentifier, [*module.split("."), *names])):
            return reduce(getattr, names, import_module(module))
        # lazy: white space, extras in brackets and nonsense are rare
        from importlib.metadata import EntryPoint

        return EntryPoint(self.name, self.value, self.group).load()


class _Unusual(Exception):
    """Something that is for ``importlib.metadata`` to understand, or to refuse."""


def plain_scan(groups: Collection[str]) -> dict[str, list[ScannedEntryPoint]] | None:
    """The entry points of the groups, in the order of ``sys.path``.

    :param groups: names that begin with ``corn.``.
    :returns: None when the environment is not an ordinary one.
    """
    try:
        return _scan(groups)
    except (_Unusual, OSError, ValueError):
        # Whether it is an error, and which, is not decided here: the general way meets it too.
        return None


def _scan(groups: Collection[str]) -> dict[str, list[ScannedEntryPoint]]:
    finders = [each for each in sys.meta_path if hasattr(each, "find_distributions")]
    if finders != [PathFinder]:
        raise _Unusual
    found: dict[str, list[ScannedEntryPoint]] = {group: [] for group in groups}
    seen = set()
    for directory in sys.path:
        for name, info in _distributions(directory):
            # The first of a name hides the others, even if it has no entry points.
            if name not in seen:
                seen.add(name)
                for entry_point in _entry_points(info):
                    if entry_point.group in found:
                        found[entry_point.group].append(entry_point)
    return found


def _distributions(directory: str) -> Iterator[tuple[str, str]]:
    """The normalised names of the distributions in a directory, and where their metadata is."""
    if not isinstance(directory, str) or directory.lower().endswith(".egg"):
        raise _Unusual
    try:
        children = os.listdir(directory or ".")
    except FileNotFoundError:
        return
    for child in children:
        if child[-10:].lower().endswith(_INFO):
            name = child.rpartition(".")[0].partition("-")[0]
            if not name or not child.endswith(_INFO):
                raise _Unusual
            yield _normalised(name), os.path.join(directory, child)


def _normalised(name: str) -> str:
    """The spelling that all spellings of a name have in common (PEP 503, with underscores)."""
    name = name.lower().replace(".", "_")
    while "__" in name:
        name = name.replace("__", "_")
    return name


def _entry_points(info: str) -> Iterator[ScannedEntryPoint]:
    try:
        with open(os.path.join(info, "entry_points.txt"), "rb", buffering=0) as file:
            data = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return
    if _MARK in data:
        yield from _parsed(data.decode(), info)


def _parsed(text: str, info: str) -> Iterator[ScannedEntryPoint]:
    group = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            group = line.strip("[]")
        elif line and group and not line.startswith("#"):
            name, equals, value = line.partition("=")
            if not equals:
                raise _Unusual
            yield ScannedEntryPoint(name.strip(), value.strip(), group, info)
