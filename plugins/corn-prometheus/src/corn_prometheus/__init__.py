"""corn-prometheus: metrics of the server for Prometheus, and health checks."""

__version__ = "0.1.0"
