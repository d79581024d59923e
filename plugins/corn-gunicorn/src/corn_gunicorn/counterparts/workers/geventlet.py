"""Stands for ``gunicorn.workers.geventlet``."""

from corn_gunicorn.absent import worker

EventletWorker = worker("eventlet")

__all__ = ["EventletWorker"]
