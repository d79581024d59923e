"""Stands for ``gunicorn.workers.gaiohttp``."""

from corn_gunicorn.absent import worker

AiohttpWorker = worker("aiohttp")

__all__ = ["AiohttpWorker"]
