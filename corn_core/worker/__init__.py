"""Workers: the class that a worker author subclasses, and how the server boots one."""

from corn_core.worker.base import Worker, WorkerContext

__all__ = ["Worker", "WorkerContext"]
