"""corn-eventlet: a worker that serves each connection in an eventlet green thread."""

__version__ = "0.1.0"
