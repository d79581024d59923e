"""corn-tornado: the worker for Tornado applications, which serves WSGI applications too."""

__version__ = "0.1.0"
