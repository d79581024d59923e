"""Reports the requests that aiohttp's server answers to hooks, access log and scoreboard."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from aiohttp import http, web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from corn_core.plugin import escape
from corn_core.worker import ConnectionInfo, Exchange, NativeCycle

if TYPE_CHECKING:
    from corn_core.worker import Worker

KEY = "corn.exchange"
"""The key under which a request keeps its exchange."""


class Observer:
    """Wraps the application's handler.

    aiohttp runs each request in a task of its own, which ends when the response has been sent or
    has failed. The end of that task is the end of the exchange.

    :ivar arguments: for the runner of the application.
    :ivar websockets: the open ones, and perhaps some that have been closed.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.websockets: WeakSet[web.WebSocketResponse] = WeakSet()
        self.arguments: dict[str, Any] = {
            "logger": ServerLog(worker),
            "access_log": logging.getLogger("aiohttp.access"),
            "access_log_class": type("Refusals", (_Refusals,), {"observer": self}),
        }
        self._running: dict[RequestHandler, int] = {}
        self._handle: Any = None
        self._native: NativeCycle

    def attach(self, app: web.Application) -> None:
        """Subscribe to each response before it is sent; call this before the application starts."""
        app.on_response_prepare.append(self._on_prepare)

    def watch(self, server: web.Server) -> None:
        """Start observing; call this when the worker is complete, before connections arrive."""
        self._native = self.worker.cycle.native(self.worker.request_done)
        self._handle = server.request_handler
        server.request_handler = self._observe

    def close_idle(self, server: web.Server) -> None:
        """Close the connections that have no request in the application."""
        for connection in server.connections:
            if connection not in self._running:
                connection.close()

    # -- a request -------------------------------------------------------------------------

    async def _observe(self, request: web.BaseRequest) -> web.StreamResponse:
        version = request.version.major, request.version.minor
        exchange = self._native.begin(
            request.method, request.raw_path, version, request.raw_headers, self._info(request)
        )
        request[KEY] = exchange
        connection = request.protocol
        self._running[connection] = self._running.get(connection, 0) + 1
        task = asyncio.current_task()
        assert task is not None
        task.add_done_callback(partial(self._end, request, exchange, connection))
        exchange.request_started()
        try:
            response: web.StreamResponse = await self._handle(request)
        except web.HTTPException as error:
            self._decide_about_connection(error)
            raise
        self._decide_about_connection(response)
        return response

    def _decide_about_connection(self, response: web.StreamResponse) -> None:
        if not self.worker.alive or not self.worker.cfg.keepalive:
            force_close = getattr(response, "force_close", None)
            if force_close is not None:  # a handler may return anything
                force_close()

    async def _on_prepare(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        request[f"{KEY}.response"] = response
        if response.headers.get("Server") == http.SERVER_SOFTWARE:
            # Do not reveal the versions that the server runs.
            response.headers["Server"] = "corn"
        if isinstance(response, web.WebSocketResponse):
            self.websockets.add(response)

    def _end(
        self,
        request: web.BaseRequest,
        exchange: Exchange,
        connection: RequestHandler,
        task: asyncio.Task[Any],
    ) -> None:
        count = self._running.pop(connection) - 1
        if count:
            self._running[connection] = count
        response = request.get(f"{KEY}.response")
        if response is None and not task.cancelled() and task.exception() is None:
            # A response that the signal does not report, such as the page for a failed handler.
            response = task.result()[0]
        if response is None:
            exchange.abandon()
        else:
            size = sent(response) if self._native.wanted else 0
            exchange.end(response.status, response.reason or "", response.headers.items(), size)

    def refused(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Report a request that aiohttp's parser has refused, and of which it keeps nothing."""
        status = f"{response.status} {response.reason}"
        headers = response.headers.items()
        self._native.refuse(None, status, headers, sent(response), self._info(request))

    def _info(self, request: web.BaseRequest) -> ConnectionInfo:
        transport = request.transport
        peer = None if transport is None else transport.get_extra_info("peername")
        # Which listener it was does not matter for this description.
        return ConnectionInfo(self.worker.listeners[0], peer, None)


def sent(response: web.StreamResponse) -> int:
    """Return how many bytes of a response's body were sent, with the chunk framing."""
    # aiohttp counts the head too.
    head = f"HTTP/1.1 {response.status} {response.reason}\r\n\r\n"
    size = len(head) + sum(len(name) + len(value) + 4 for name, value in response.headers.items())
    return max(0, response.body_length - size)


class _Refusals(AbstractAccessLogger):
    """Finds the responses that the observer did not see; aiohttp calls it for every response."""

    observer: Observer

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        if KEY not in request:
            self.observer.refused(request, response)


class ServerLog:
    """The logger that aiohttp's server expects, writing to the worker's own log."""

    def __init__(self, worker: Worker) -> None:
        self._log = worker.log

    def debug(self, message: str, *arguments: Any, **keywords: Any) -> None:
        self._log.debug(message, *arguments, **keywords)

    def warning(self, message: str, *arguments: Any, **keywords: Any) -> None:
        self._log.warning(message, *arguments, **keywords)

    def exception(self, message: str, *arguments: Any, exc_info: Any = True) -> None:
        if isinstance(exc_info, HttpProcessingError):
            # The client is at fault, and a traceback would not say anything about the client.
            text = escape(str(exc_info.message).partition("\n")[0])
            # Not every version of aiohttp says which client it was.
            peer = arguments[0] if arguments else "?"
            self._log.warning("Invalid request from ip=%s: %s", peer, text)
        else:
            self._log.error(message, *arguments, exc_info=exc_info)
