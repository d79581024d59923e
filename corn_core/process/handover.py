"""The variable in which a master tells what it hands to the one it starts in its place (SIGUSR2).

The sockets themselves are inherited, under the same numbers. The variable says which address each
is for. It also names the process that it is meant for, because every program that is started from
there on inherits the environment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

from corn_core.errors import ConfigError

VARIABLE = "CORN_FDS"


@dataclass(frozen=True, slots=True)
class Handover:
    """The sockets that a master hands to its successor.

    :param pid: the process id of the master that hands over.
    :param sockets: descriptors of listening sockets, each with its address as ``bind`` has it.
    """

    pid: int
    sockets: tuple[tuple[int, str], ...]

    def encode(self, heir: int) -> str:
        """Return the value of the variable, for the process ``heir``."""
        return json.dumps({"for": heir, "from": self.pid, "sockets": self.sockets})


def is_heir(environ: Mapping[str, str], pid: int) -> bool:
    """Tell whether a master has started this process in its place.

    :raises ConfigError: when the variable holds something else.
    """
    return _decode(environ.get(VARIABLE, ""), pid) is not None


def take_handover(environ: MutableMapping[str, str], pid: int) -> Handover | None:
    """Return what was handed to this process, or None; the variable is removed.

    :raises ConfigError: when the variable holds something else.
    """
    return _decode(environ.pop(VARIABLE, ""), pid)


def _decode(text: str, pid: int) -> Handover | None:
    if not text:
        return None
    try:
        content = json.loads(text)
        # Of the rest we know nothing then: another version may have written it.
        if content["for"] != pid:
            return None
        sockets = tuple((int(fd), str(address)) for fd, address in content["sockets"])
        return Handover(int(content["from"]), sockets)
    except (ValueError, KeyError, TypeError):
        raise ConfigError(
            f"{VARIABLE}: expected what a server hands to its successor, got {text!r}"
            " (environment variable); remove it"
        ) from None
