"""Monkey patching at the moments that suit a pre-fork server."""

from __future__ import annotations

import os
import signal
import subprocess
import warnings
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import gevent
from gevent import monkey

# What a master keeps as it was. It waits for its workers and their signals by itself; as
# gevent has them, a child is waited for by a loop that never runs in a master, or that reaps
# the workers along with the child that it waits for.
_MASTERS_OWN = (os, signal, subprocess)

_Changes = dict[ModuleType, Mapping[str, Any]]

_held_back: _Changes = {}


def patch_master() -> None:
    """Patch the process that preloads an application, all but what it needs itself.

    The application finds sockets, locks and sleeping replaced. If it patches once more, as many
    do in their first line, that changes nothing: gevent has been told to patch everything.
    """
    if _held_back:
        return
    before = {module: vars(module).copy() for module in _MASTERS_OWN}
    _patch_all()
    for module in _MASTERS_OWN:
        _held_back[module] = _take_back(module, before[module])


def patch_worker() -> None:
    """Patch a worker; or the rest of it, when its master is patched."""
    _patch_all()
    for module, patches in _held_back.items():
        vars(module).update(patches)
    # The application may have made a hub when it was preloaded, which would be shared else.
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
    with warnings.catch_warnings():
        # That ssl is imported already: contexts that were made before go on as they are.
        warnings.simplefilter("ignore", monkey.MonkeyPatchWarning)
        monkey.patch_all()
