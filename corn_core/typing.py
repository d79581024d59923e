"""The public names for annotations: what hooks are handed, and what plugins supply.

All but ``Config`` and ``WorkerSnapshot`` are Protocols or aliases, which no program has to import
at run time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from corn_core.config import Config
from corn_core.facade import on_demand
from corn_core.interfaces import (
    ApplicationLog,
    CodeReloader,
    HasFileno,
    Hooks,
    ListenerView,
    Loader,
    Logger,
    ReloadEngine,
    Request,
    Response,
    ResponseSink,
    Server,
    Slot,
    StartResponse,
    WorkerSnapshot,
    WorkerView,
    WSGIApp,
)
from corn_core.logs.access import Renderer

if not TYPE_CHECKING:
    __getattr__ = on_demand(__name__, late={}, deprecated={})

__all__ = [
    "ApplicationLog",
    "CodeReloader",
    "Config",
    "HasFileno",
    "Hooks",
    "ListenerView",
    "Loader",
    "Logger",
    "ReloadEngine",
    "Renderer",
    "Request",
    "Response",
    "ResponseSink",
    "Server",
    "Slot",
    "StartResponse",
    "WSGIApp",
    "WorkerSnapshot",
    "WorkerView",
]
