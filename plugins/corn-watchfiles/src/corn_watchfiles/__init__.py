"""corn-watchfiles: the reload engine that the system tells of changes."""

__version__ = "0.1.0"
