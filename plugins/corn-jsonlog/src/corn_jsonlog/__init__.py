"""corn-jsonlog: error and access logs as JSON, one object per line."""

__version__ = "0.1.0"
