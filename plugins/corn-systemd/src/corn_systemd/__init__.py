"""corn-systemd: tells the service manager how the server is (sd_notify)."""

__version__ = "0.1.0"
