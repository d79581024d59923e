"""The master: it forks workers, watches them, and decides who goes and who comes."""

from corn_core.arbiter.loop import Arbiter
from corn_core.arbiter.wiring import Wiring, WorkerForked

__all__ = ["Arbiter", "Wiring", "WorkerForked"]
