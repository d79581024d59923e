"""Listens to what ``exchange:app`` tells of its requests and sockets."""

from __future__ import annotations

import json
from typing import Protocol

from corn_testkit.waiting import wait_for


class Asked(Protocol):
    """A server of ``exchange:app``."""

    def get(self, path: str = "/") -> str:
        """Return the text of a response."""


class Told:
    """The events that the application has told since this was made, of which none is lost."""

    def __init__(self, server: Asked) -> None:
        self._server = server
        self.heard: list[str] = []
        server.get("/events")

    def listen(self) -> list[str]:
        """Return all events that were heard."""
        self.heard += json.loads(self._server.get("/events"))
        return self.heard

    def wait(self, *wanted: str) -> list[str]:
        """Wait until all of these have been heard, one that is named twice two times."""

        def all_there() -> bool:
            heard = self.listen()
            return all(heard.count(each) >= wanted.count(each) for each in wanted)

        wait_for(all_there, f"the application to tell {', '.join(wanted)}, after {self.heard}")
        return self.heard
