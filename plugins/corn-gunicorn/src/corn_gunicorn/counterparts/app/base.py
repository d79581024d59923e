"""Stands for ``gunicorn.app.base``."""

from corn_core.app import Application, BaseApplication

__all__ = ["Application", "BaseApplication"]
