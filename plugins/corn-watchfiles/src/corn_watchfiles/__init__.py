"""corn-watchfiles: a reload engine that the operating system notifies of changes."""

__version__ = "0.1.0"
