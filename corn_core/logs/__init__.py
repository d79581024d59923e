"""The simple logger: an error log for the operator and an access log of the requests."""

from corn_core.escape import escape
from corn_core.logs.formatters import WSGI_ERRORS, Addresses
from corn_core.logs.logger import Logger, enable_loggers
from corn_core.logs.settings import SETTINGS

__all__ = ["SETTINGS", "WSGI_ERRORS", "Addresses", "Logger", "enable_loggers", "escape"]
