"""corn-gevent: a worker that serves each connection in a gevent greenlet."""

__version__ = "0.1.0"
