"""corn-jsonlog: error and access logs as JSON, one object a line."""

__version__ = "0.1.0"
