"""Gathers what a configuration asks for and does not get.

An ordinary start ends with the first error. ``--check-config`` gathers all there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

from corn_core.errors import ConfigError, CornError, SettingError

Level = Literal["error", "ignored", "note", "fine"]
"""``error``: no server starts; ``ignored``: it starts without; ``note``: good to know; ``fine``:
nothing is lost, and nothing is said."""


class Finding(NamedTuple):
    """One thing that is wrong with a configuration, or worth knowing about it.

    :param text: what it is, in one line.
    :param instead: what to do.
    :param origin: where the configuration says so.
    :param name: the setting, flag or hook that it is about.
    :param details: the traceback of foreign code.
    :param takes_argument: True for an unknown flag that a value follows.
    """

    level: Level
    text: str
    instead: str = ""
    origin: str = ""
    name: str = ""
    details: str = ""
    takes_argument: bool = False

    @classmethod
    def of(cls, error: CornError, name: str = "") -> Finding:
        """Make a finding of what would end a start."""
        if isinstance(error, SettingError):
            text = f"{error.name}: expected {error.expected}, got {error.got!r}"
            return cls("error", text, origin=error.origin, name=error.name)
        return cls("error", str(error), name=name, details=error.details)

    def __str__(self) -> str:
        advice = f"; {self.instead}" if self.instead else ""
        return f"{self.text}{advice}{f' ({self.origin})' if self.origin else ''}"


Explain = Callable[[str, object], Iterable[Finding]]
"""Says what a setting, a flag or a hook with that value means, if anything is known of it."""


class Review:
    """Gathers findings about one configuration.

    :param explain: what plugins know of names and values that are not corn's.
    :param gathers: False raises the first error instead, as an ordinary start does.
    """

    def __init__(self, explain: Explain = lambda name, value: (), *, gathers: bool = False) -> None:
        self.gathers = gathers
        self.findings: list[Finding] = []
        self._explain = explain

    def explain(self, name: str, value: object = None, origin: str = "") -> list[Finding]:
        """Ask the plugins what they know of a name; the answers say where it is set."""
        found = self._explain(name, value)
        return [each._replace(name=each.name or name, origin=origin) for each in found]

    def add(self, *findings: Finding) -> None:
        """Add findings.

        :raises ConfigError: for an error, unless errors are gathered.
        """
        for finding in findings:
            if finding.level == "error" and not self.gathers:
                raise ConfigError(str(finding))
            if finding not in self.findings:
                self.findings.append(finding)

    def attempt(self, code: Callable[..., Any], *arguments: Any) -> Any:
        """Call ``code``; where errors are gathered, its CornError is one, and the result None."""
        try:
            return code(*arguments)
        except CornError as error:
            if not self.gathers:
                raise
            self.add(Finding.of(error))

    @property
    def errors(self) -> bool:
        """True if no server would start."""
        return any(each.level == "error" for each in self.findings)

    @property
    def failed(self) -> bool:
        """True if no server would start, or one would start without something."""
        return any(each.level in ("error", "ignored") for each in self.findings)

    @property
    def warnings(self) -> list[str]:
        """The findings that do not prevent a start, for the log."""
        return [str(each) for each in self.findings if each.level in ("ignored", "note")]
