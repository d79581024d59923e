"""corn-tornado: a worker for Tornado applications, which also serves WSGI applications."""

__version__ = "0.1.0"
