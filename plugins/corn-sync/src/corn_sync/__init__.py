"""corn-sync: the worker that handles one request at a time."""

__version__ = "0.1.0"
