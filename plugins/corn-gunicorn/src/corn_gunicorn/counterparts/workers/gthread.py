"""Stands for ``gunicorn.workers.gthread``."""

from corn_gunicorn.absent import worker

ThreadWorker = worker("gthread")

__all__ = ["ThreadWorker"]
