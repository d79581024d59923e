"""Makes the event loop of a worker."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec

from corn_asyncio.loop import new_event_loop
from corn_core.plugin import ConfigError
from corn_core.typing import Config


def check_loop(config: Config) -> None:
    """Refuse an event loop that is not installed.

    :raises ConfigError: with what to install.
    """
    if config.asgi_loop == "uvloop" and find_spec("uvloop") is None:
        raise ConfigError(
            "asgi_loop: uvloop is not installed; pip install corn-asgi[uvloop]"
            f" ({config.origin('asgi_loop')})"
        )


def make_loop(name: str) -> asyncio.AbstractEventLoop:
    """Return a new event loop: ``uvloop``, ``asyncio``, or the better one for ``auto``."""
    if name != "asyncio":
        try:
            import uvloop  # lazy: it is optional
        except ImportError:
            if name == "uvloop":
                raise
        else:
            return new_event_loop(uvloop.new_event_loop)
    return new_event_loop()
