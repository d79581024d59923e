"""The public names for workers: the base class, the driver, and the parts of the request cycle.

The master imports this package when it starts, so what needs a heavy module is imported late. A
worker that has a loop of its own finds the parser in ``corn_core.http``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from corn_core.errors import (
    BadProxyHeader,
    BadRequest,
    BadResponse,
    ClientDisconnected,
    FieldsTooLarge,
    Forbidden,
    HookFailed,
    RequestTimeout,
    ScriptNameMismatch,
    ServerFault,
    TargetTooLong,
    WorkerQuit,
)
from corn_core.facade import on_demand
from corn_core.loaders.fit import ARGUMENTS, ASGI_ARGUMENTS, accepts, refuse_asgi
from corn_core.loaders.target import parse_uri
from corn_core.loaders.wsgi import is_asynchronous
from corn_core.net.channel import DONTWAIT, Channel, PlainChannel
from corn_core.net.listener import Listener
from corn_core.net.proxy import ProxyHeader, may_be_proxy_header, read_proxy_header
from corn_core.process.scoreboard import DRAINING
from corn_core.serving.balance import FRESH, Balance, outweighs
from corn_core.serving.connection import Connection
from corn_core.serving.driver import (
    DRAIN_GRACE,
    FOREVER,
    TICK,
    BaseDriver,
    Driver,
    Host,
    Managed,
    Phase,
    Stream,
    Successor,
    Waiting,
    accepting,
    close_listeners,
    deadline_after,
    exhausted,
)
from corn_core.serving.poller import READABLE, WRITABLE, Poller
from corn_core.serving.proxy import ProxyHeaderReader
from corn_core.serving.selector import SelectorDriver
from corn_core.serving.sendbuffer import PIECE
from corn_core.serving.settings import ClientLimits, client_limits
from corn_core.worker.base import Worker, WorkerContext
from corn_core.worker.signals import held_back
from corn_core.wsgi.body import RequestBody
from corn_core.wsgi.connection import ConnectionInfo
from corn_core.wsgi.cycle import RequestCycle
from corn_core.wsgi.environ import read_script_name
from corn_core.wsgi.native import Exchange, NativeCycle, make_request
from corn_core.wsgi.trust import SchemeFields, peer_test

if TYPE_CHECKING:
    from corn_core.net.certificate import distinguished_name
    from corn_core.net.certificate import variables as tls_variables
    from corn_core.net.tlschannel import Encryption
else:
    __getattr__ = on_demand(
        __name__,
        late={
            "Encryption": "corn_core.net.tlschannel:Encryption",
            "distinguished_name": "corn_core.net.certificate:distinguished_name",
            "tls_variables": "corn_core.net.certificate:variables",
        },
        deprecated={},
    )

__all__ = [
    "ARGUMENTS",
    "ASGI_ARGUMENTS",
    "DONTWAIT",
    "DRAINING",
    "DRAIN_GRACE",
    "FOREVER",
    "FRESH",
    "PIECE",
    "READABLE",
    "TICK",
    "WRITABLE",
    "BadProxyHeader",
    "BadRequest",
    "BadResponse",
    "Balance",
    "BaseDriver",
    "Channel",
    "ClientDisconnected",
    "ClientLimits",
    "Connection",
    "ConnectionInfo",
    "Driver",
    "Encryption",
    "Exchange",
    "FieldsTooLarge",
    "Forbidden",
    "HookFailed",
    "Host",
    "Listener",
    "Managed",
    "NativeCycle",
    "Phase",
    "PlainChannel",
    "Poller",
    "ProxyHeader",
    "ProxyHeaderReader",
    "RequestBody",
    "RequestCycle",
    "RequestTimeout",
    "SchemeFields",
    "ScriptNameMismatch",
    "SelectorDriver",
    "ServerFault",
    "Stream",
    "Successor",
    "TargetTooLong",
    "Waiting",
    "Worker",
    "WorkerContext",
    "WorkerQuit",
    "accepting",
    "accepts",
    "client_limits",
    "close_listeners",
    "deadline_after",
    "distinguished_name",
    "exhausted",
    "held_back",
    "is_asynchronous",
    "make_request",
    "may_be_proxy_header",
    "outweighs",
    "parse_uri",
    "peer_test",
    "read_proxy_header",
    "read_script_name",
    "refuse_asgi",
    "tls_variables",
]
