"""corn-prometheus: metrics of the server for Prometheus, and checks of its health."""

__version__ = "0.1.0"
