"""Serves Django projects with corn; as an app in a project it adds ``manage.py corn``."""

__version__ = "0.1.0"
