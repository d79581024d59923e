"""Stands for ``gunicorn.workers.gtornado``."""

from corn_gunicorn.absent import worker

TornadoWorker = worker("tornado")

__all__ = ["TornadoWorker"]
