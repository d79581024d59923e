"""corn-statsd: metrics of the server for statsd and its relatives."""

__version__ = "0.1.0"
