"""The master: forks workers, supervises them, and decides which of them go and come."""

from corn_core.arbiter.arbiter import Arbiter
from corn_core.arbiter.server import LoadedConfig, WorkerForked

__all__ = ["Arbiter", "LoadedConfig", "WorkerForked"]
