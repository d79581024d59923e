"""corn-gthread: the worker that answers slow requests in threads and fast ones without."""

__version__ = "0.1.0"
