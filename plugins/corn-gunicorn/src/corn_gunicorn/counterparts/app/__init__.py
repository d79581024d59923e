"""Stands for ``gunicorn.app``."""
