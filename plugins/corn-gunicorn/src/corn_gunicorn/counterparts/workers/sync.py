"""Stands for ``gunicorn.workers.sync``."""

from corn_gunicorn.absent import worker

SyncWorker = worker("sync")

__all__ = ["SyncWorker"]
