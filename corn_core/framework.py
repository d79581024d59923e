"""The framework layer: server settings from the configuration file of a web framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from corn_core.config import Config, Origin
from corn_core.interfaces import Loader


def in_framework(name: str) -> Origin:
    """Return the origin of a setting about which no more is known."""
    return Origin("framework", "framework settings")


class Framework(NamedTuple):
    """Settings of a framework, and how to load its application.

    :param settings: raw values by the names of settings and hooks. A hook is a function or the
        dotted name of one. A name that is neither a setting nor a hook is an error.
    :param origin: returns where the framework sets a name, for messages.
    :param directory: another directory from which hooks named by text can be imported.
    :param loader: loads the application; None leaves that to ``app_loader``.
    :param warnings: messages for the user; none of them prevents a start.
    """

    settings: Mapping[str, object]
    origin: Callable[[str], Origin] = in_framework
    directory: str | None = None
    loader: Loader | None = None
    warnings: tuple[str, ...] = ()


Ask = Callable[[Config], Framework | None]
"""Returns the framework, given the configuration without it, or None when there is none."""
