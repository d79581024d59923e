"""Stands for ``gunicorn.workers.base``."""

from corn_core.worker import Worker

__all__ = ["Worker"]
