"""Which configuration is in force, and which one to return to when it proves useless.

A reload begins a generation. It is proven as soon as one of its workers serves; until then
the last proven generation is kept beside it, with its sockets, ready to take over again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from corn_core.arbiter.wiring import Wiring
from corn_core.interfaces import WSGIApp
from corn_core.net import Listener


class Generation(NamedTuple):
    """A configuration in force.

    :param load_app: what its workers call; the wiring's own loader, or the preloaded app.
    """

    number: int
    wiring: Wiring
    listeners: Sequence[Listener]
    load_app: Callable[[], WSGIApp]


class Generations:
    """The generation in force, and the one to fall back on.

    The methods return the listeners that no generation needs any longer, to be closed.
    """

    def __init__(self, first: Generation) -> None:
        self.current = first
        self.fallback: Generation | None = None
        self._proven = False
        self._last_number = first.number

    @property
    def next_number(self) -> int:
        """Numbers are never used twice, also not after a reload that failed."""
        return self._last_number + 1

    @property
    def listeners(self) -> list[Listener]:
        """All sockets that are open for some generation, the current one's first."""
        older = self.fallback.listeners if self.fallback is not None else ()
        return list(dict.fromkeys((*self.current.listeners, *older)))

    def begin(self, generation: Generation) -> list[Listener]:
        """Put a new generation in force, unproven."""
        before = self.listeners
        if self._proven:
            self.fallback = self.current
        # Otherwise the current one has not served yet, and is nothing to fall back on.
        self.current, self._proven = generation, False
        self._last_number = generation.number
        return self._dropped(before)

    def prove(self) -> list[Listener]:
        """A worker of the current generation serves."""
        before = self.listeners
        self._proven, self.fallback = True, None
        return self._dropped(before)

    def revert(self) -> list[Listener]:
        """Put the last proven generation in force again; only when there is a fallback."""
        if self.fallback is None:
            raise ValueError("there is no generation to return to")
        before = self.listeners
        self.current, self._proven, self.fallback = self.fallback, True, None
        return self._dropped(before)

    def _dropped(self, before: Iterable[Listener]) -> list[Listener]:
        kept = set(map(id, self.listeners))
        return [listener for listener in before if id(listener) not in kept]
