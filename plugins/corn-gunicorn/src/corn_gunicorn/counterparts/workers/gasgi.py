"""Stands for ``gunicorn.workers.gasgi``."""

from corn_gunicorn.absent import worker

ASGIWorker = worker("asgi")

__all__ = ["ASGIWorker"]
