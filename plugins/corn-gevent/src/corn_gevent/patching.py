"""Monkey-patches at the times that suit a pre-fork server."""

from __future__ import annotations

import os
import signal
import subprocess
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from types import ModuleType
from typing import Any

import gevent
from gevent import monkey

# The modules a master keeps unpatched, because it waits for its workers and signals itself. With
# gevent's versions, the wait for a child would need a loop that never runs in a master, or that
# would reap the workers along with that child.
_MASTERS_OWN = (os, signal, subprocess)

_Changes = dict[ModuleType, Mapping[str, Any]]

_held_back: _Changes = {}


def patch_master() -> None:
    """Patch the process that preloads an application, except for what the master itself needs.

    The application finds sockets, locks and sleeping replaced. Patching again, as many
    applications do in their first line, changes nothing: gevent has been told to patch everything.
    """
    if _held_back:
        return
    before = {module: vars(module).copy() for module in _MASTERS_OWN}
    _patch_all()
    for module in _MASTERS_OWN:
        _held_back[module] = _take_back(module, before[module])


def patch_worker() -> None:
    """Patch a worker, or what is left to patch if its master has been patched."""
    _patch_all()
    for module, patches in _held_back.items():
        vars(module).update(patches)
    # A preloaded application may have made a hub, which would otherwise be shared.
    gevent.reinit()


def _take_back(module: ModuleType, before: Mapping[str, Any]) -> Mapping[str, Any]:
    """Undo what has changed in a module since; returns the changes."""
    changes = {
        name: value
        for name, value in vars(module).items()
        if name in before and value is not before[name]
    }
    for name in changes:
        setattr(module, name, before[name])
    return changes


def _patch_all() -> None:
    with warnings.catch_warnings(), _metadata_read_once():
        # The warning is that ssl has already been imported: existing contexts stay unpatched.
        warnings.simplefilter("ignore", monkey.MonkeyPatchWarning)
        monkey.patch_all()


@contextmanager
def _metadata_read_once() -> Iterator[None]:
    """Answer gevent from one list of the entry points, as long as the process is patched.

    gevent looks for plugins of its own before and after each of its steps, and each time
    importlib reads the metadata of all that is installed: with two hundred distributions, most of
    the time that a worker takes to boot.
    """
    entry_points = metadata.entry_points
    metadata.entry_points = entry_points().select
    try:
        yield
    finally:
        metadata.entry_points = entry_points
