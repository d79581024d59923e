"""corn-syslog: sends the error log and the access log to syslog."""

__version__ = "0.1.0"
