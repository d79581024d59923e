"""The simple logger: an error log for the operator and an access log of the requests."""

from corn_core.logs.logger import SETTINGS, Logger
from corn_core.net.escape import escape

__all__ = ["SETTINGS", "Logger", "escape"]
