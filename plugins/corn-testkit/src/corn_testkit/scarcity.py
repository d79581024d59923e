"""Makes the test's own process go without what it needs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_room_for_threads() -> Iterator[None]:
    """Ask for stacks so large that no thread can be started."""
    before = threading.stack_size(1 << 46)
    try:
        yield
    finally:
        threading.stack_size(before)
