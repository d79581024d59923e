"""Stands for ``gunicorn.arbiter``."""

from corn_core.arbiter.arbiter import Arbiter

__all__ = ["Arbiter"]
