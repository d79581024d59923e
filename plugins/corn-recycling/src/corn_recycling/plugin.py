"""The plugin: its settings, and the recycler when one of them is set.

Every server with the plugin installed imports this module; only those that recycle import more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from corn_core.plugin import Expected, Setting, hookimpl, seconds

if TYPE_CHECKING:
    from corn_core.typing import Config

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def _size(raw: object) -> int:
    """Parse a number of bytes; text may end in K, M or G, for the powers of 1024."""
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
            " the system does not tell that, the resident set size. It is checked every five"
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


@hookimpl
def corn_settings() -> tuple[Setting, ...]:
    return SETTINGS


@hookimpl
def corn_instruments(config: Config) -> Iterator[object]:
    if config.max_worker_memory or config.max_worker_lifetime:
        # lazy: most servers recycle nothing
        from corn_recycling.recycler import Recycler, RecyclingLimits

        yield Recycler(RecyclingLimits(config.max_worker_memory, config.max_worker_lifetime))
