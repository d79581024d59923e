"""When a worker has grown too large or too old, and is to be replaced.

Whatever the reason, a replacement goes the way that ``max_requests`` goes: the worker serves on
until another one is ready, and they are replaced one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from corn_core.arbiter.roster import WorkerHandle
from corn_core.setting import Expected, Setting, seconds

LOOK_EVERY = 5.0
"""Seconds between looks at the workers' memory, which cost the kernel a walk of their pages."""

MEBIBYTE = 1024 * 1024
_UNITS = {"": 1, "k": 1024, "m": MEBIBYTE, "g": 1024 * MEBIBYTE}


def _size(raw: object) -> int:
    """Bytes; text may end in K, M or G, for the powers of 1024."""
    expected = "a number of bytes, 0 or more, or one with K, M or G behind it, such as 512M"
    if isinstance(raw, int) and not isinstance(raw, bool) and raw >= 0:
        return raw
    if isinstance(raw, str):
        text = raw.strip().lower()
        number = text.rstrip("kmg")
        # Python refuses to convert several thousand digits, with an exception of its own.
        plain = number.isascii() and number.isdigit() and len(number) <= 18
        if plain and text[len(number) :] in _UNITS:
            return int(number) * _UNITS[text[len(number) :]]
    raise Expected(expected)


SETTINGS = (
    Setting(
        name="max_worker_memory",
        section="Worker Processes",
        parse=_size,
        default=0,
        help=(
            "The memory at which a worker is replaced, in bytes or with K, M or G. It is the"
            " proportional set size, in which what workers share counts to each in part; where"
            " the system does not tell that, the resident set size. It is looked at every five"
            " seconds, and the replacement is ready before the worker stops accepting, so set it"
            " well below the limit of the container. 0 sets no limit."
        ),
        flags=("--max-worker-memory",),
        metavar="SIZE",
    ),
    Setting(
        name="max_worker_lifetime",
        section="Worker Processes",
        parse=seconds,
        default=0.0,
        help=(
            "The seconds after which a worker is replaced, once its replacement is ready. Workers"
            " of the same age are replaced one after another. 0 sets no limit."
        ),
        flags=("--max-worker-lifetime",),
        metavar="SECONDS",
    ),
)


class RecyclingLimits(NamedTuple):
    """At what memory in bytes, and at what age in seconds, a worker is worn; 0 is no limit."""

    memory: int
    lifetime: float


class Worn(NamedTuple):
    """Why a worker is to be replaced.

    :param wear: the kind of it, see :attr:`~corn_core.arbiter.roster.WorkerHandle.wear`.
    :param text: the end of a sentence about the worker.
    """

    wear: str
    text: str


def worn(age: float, memory: int | None, limits: RecyclingLimits) -> Worn | None:
    """Why a worker is to be replaced, or ``None``.

    :param memory: ``None`` when it is not known.
    """
    if limits.lifetime and age >= limits.lifetime:
        return Worn("lifetime", f"has served for {age:.0f} seconds")
    if limits.memory and memory is not None and memory >= limits.memory:
        return Worn("memory", f"holds {memory / MEBIBYTE:.0f} MiB of memory")
    return None


class WearGauge:
    """Looks at the workers now and then.

    :param measure: the memory of a process in bytes; ``None`` when it cannot be had.
    """

    def __init__(self, measure: Callable[[int], int | None] | None = None) -> None:
        self._measure = measure or memory_of
        self._look_at = 0.0

    def look(
        self, workers: Iterable[WorkerHandle], limits: RecyclingLimits, now: float
    ) -> list[tuple[WorkerHandle, str]]:
        """Mark the workers that are worn, and say why."""
        found: list[tuple[WorkerHandle, str]] = []
        if now < self._look_at or limits == RecyclingLimits(0, 0.0):
            return found
        self._look_at = now + LOOK_EVERY
        for handle in workers:
            if handle.ready_at is None or handle.leaving or handle.recycle_requested:
                continue
            memory = self._measure(handle.pid) if limits.memory else None
            why = worn(now - handle.ready_at, memory, limits)
            if why is not None:
                handle.recycle_requested = True
                handle.wear = why.wear
                found.append((handle, why.text))
        return found


def memory_of(pid: int) -> int | None:
    """The proportional set size of a process in bytes, or the resident one; see proc(5)."""
    for name, field in (("smaps_rollup", "Pss:"), ("status", "VmRSS:")):
        try:
            with open(f"/proc/{pid}/{name}", encoding="ascii", errors="replace") as file:
                for line in file:
                    if line.startswith(field):
                        return int(line.split()[1]) * 1024
        except OSError:
            continue  # it has just died, or belongs to another user, or there is no /proc
    return None
