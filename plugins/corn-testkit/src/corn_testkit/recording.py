"""Reads which hooks a server has called: in which process and order, with which arguments."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corn_testkit.waiting import wait_for


@dataclass(frozen=True)
class Call:
    """One call of a hook function, as it recorded itself."""

    hook: str
    pid: int
    facts: dict[str, Any]


class Recording:
    """The calls that the config file ``recorder`` has recorded so far.

    :ivar argument: makes a server use that config file.
    :ivar env: variables that this server needs.
    """

    argument = f"--config={Path(__file__).with_name('recorder.py')}"

    def __init__(self, directory: Path) -> None:
        self.path = directory / "calls"
        self.path.touch()
        # Workers that become another user write to it too.
        self.path.chmod(0o666)
        self.env = {"RECORDING": str(self.path)}

    @property
    def calls(self) -> list[Call]:
        # The last line may be there in part only, as yet.
        lines = map(json.loads, self.path.read_text().rpartition("\n")[0].splitlines())
        return [Call(line.pop("hook"), line.pop("pid"), line) for line in lines]

    @property
    def names(self) -> list[str]:
        return [call.hook for call in self.calls]

    def of(self, hook: str, pid: int | None = None) -> list[Call]:
        """Return the calls of one hook, in one process or in any."""
        return [call for call in self.calls if call.hook == hook and pid in (None, call.pid)]

    def wait(self, hook: str, count: int = 1, pid: int | None = None) -> Call:
        """Wait for so many calls; returns the last."""
        calls = wait_for(
            lambda: found if len(found := self.of(hook, pid)) >= count else None,
            f"{count} calls of {hook}",
        )
        assert calls
        return calls[-1]
