"""corn-testkit: servers for tests, and the conformance suite of worker classes."""

__version__ = "0.1.0"
