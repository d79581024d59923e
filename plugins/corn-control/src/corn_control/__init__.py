"""corn-control: a socket by which operators control a running server, and the command cornctl."""

__version__ = "0.1.0"
