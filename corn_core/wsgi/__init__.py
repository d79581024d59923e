"""WSGI (PEP 3333): environ, body and response of a request, and the cycle that joins them."""

from corn_core.wsgi.body import RequestBody, empty_body
from corn_core.wsgi.connection import ConnectionInfo
from corn_core.wsgi.cycle import INTERRUPTS, RequestCycle
from corn_core.wsgi.environ import EnvironBuilder
from corn_core.wsgi.files import ErrorStream, FileWrapper
from corn_core.wsgi.native import Exchange, NativeCycle
from corn_core.wsgi.proxied import ProxiedEnvironBuilder
from corn_core.wsgi.response import Response

__all__ = [
    "INTERRUPTS",
    "ConnectionInfo",
    "EnvironBuilder",
    "ErrorStream",
    "Exchange",
    "FileWrapper",
    "NativeCycle",
    "ProxiedEnvironBuilder",
    "RequestBody",
    "RequestCycle",
    "Response",
    "empty_body",
]
