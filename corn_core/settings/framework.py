"""The framework layer: what the file of a web framework says about the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from corn_core.interfaces import WSGIApp
from corn_core.settings.config import Config, Origin


class AppLoader(Protocol):
    """What a loader class of the group ``corn.loaders`` makes."""

    def load(self, config: Config) -> WSGIApp: ...
    def name(self, config: Config) -> str:
        """What to call the application, in process titles for example."""


def in_framework(name: str) -> Origin:
    """The origin of a setting of which no more is known."""
    return Origin("framework", "framework settings")


class Framework(NamedTuple):
    """Settings of a framework, and how to load its application.

    :param settings: raw values by the names of settings and hooks. A hook is a function or the
        dotted name of one. A name that is neither is an error.
    :param origin: where the framework sets a name, for messages.
    :param directory: from where hooks named by text can be imported too.
    :param loader: loads the application; None leaves that to ``app_loader``.
    :param warnings: what the user should be told; nothing of it prevents a start.
    """

    settings: Mapping[str, object]
    origin: Callable[[str], Origin] = in_framework
    directory: str | None = None
    loader: AppLoader | None = None
    warnings: tuple[str, ...] = ()


Ask = Callable[[Config], Framework | None]
"""Asks for the framework, given the configuration without it; None when there is none."""
