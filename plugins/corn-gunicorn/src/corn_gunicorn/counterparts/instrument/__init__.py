"""Stands for ``gunicorn.instrument``."""
