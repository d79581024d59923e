"""corn-statsd: metrics of the server, for statsd and compatible servers."""

__version__ = "0.1.0"
