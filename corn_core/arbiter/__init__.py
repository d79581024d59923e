"""The master: it forks workers, watches them, and decides who goes and who comes."""

from corn_core.arbiter.arbiter import Arbiter
from corn_core.arbiter.server import LoadedConfig, WorkerForked

__all__ = ["Arbiter", "LoadedConfig", "WorkerForked"]
