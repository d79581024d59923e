"""Makes event loops where a signal may end the worker at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from corn_core.worker import held_back


def new_event_loop(
    make: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
) -> asyncio.AbstractEventLoop:
    """Make an event loop, while the signals that end the worker wait.

    A handler that raises in the middle would leave half of a loop, whose ``__del__`` fails, and
    Python writes that traceback to the log. To be called in the main thread.

    :raises WorkerQuit: what the handler of such a signal raises, when the loop has been closed.
    """
    loop: asyncio.AbstractEventLoop | None = None
    try:
        with held_back():
            loop = make()
    except BaseException:
        # Broad, because no loop may be left open, whatever the handler raises.
        if loop is not None:
            loop.close()
        raise
    return loop
