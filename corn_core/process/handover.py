"""What a master tells the one that it starts in its place (SIGUSR2), in one variable.

The sockets themselves are inherited, under the same numbers. The variable says what they are
for; it names the process that it is for too, since an environment is inherited by everything
that is started from there on.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

from corn_core.errors import ConfigError

VARIABLE = "CORN_FDS"


@dataclass(frozen=True, slots=True)
class Handover:
    """What is handed over.

    :param pid: the process id of the master that hands over.
    :param sockets: descriptors of listening sockets, each with its address as ``bind`` has it.
    """

    pid: int
    sockets: tuple[tuple[int, str], ...]

    def encode(self, heir: int) -> str:
        """The value of the variable, for the process ``heir``."""
        import json  # lazy: for an upgrade only

        return json.dumps({"for": heir, "from": self.pid, "sockets": self.sockets})


def is_heir(environ: Mapping[str, str], pid: int) -> bool:
    """Whether a master has started this process in its place.

    :raises ConfigError: when the variable holds something else.
    """
    return _decode(environ.get(VARIABLE, ""), pid) is not None


def take_handover(environ: MutableMapping[str, str], pid: int) -> Handover | None:
    """What was handed over to this process, if it was; the variable is removed.

    :raises ConfigError: when the variable holds something else.
    """
    return _decode(environ.pop(VARIABLE, ""), pid)


def _decode(text: str, pid: int) -> Handover | None:
    if not text:
        return None
    import json  # lazy: for an upgrade only

    try:
        content = json.loads(text)
        # Of the rest we know nothing: it may be from another version, and for another process.
        if content["for"] != pid:
            return None
        sockets = tuple((int(fd), str(address)) for fd, address in content["sockets"])
        return Handover(int(content["from"]), sockets)
    except (ValueError, KeyError, TypeError):
        raise ConfigError(
            f"{VARIABLE}: expected what a server hands to its successor, got {text!r}"
            " (environment variable); remove it"
        ) from None
