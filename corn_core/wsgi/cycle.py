"""The request cycle: everything between a parsed request and the last byte of its response.

This is the one place where a WSGI application is called and where its failures are answered, for
every worker. Hooks and logs are told through ``RequestEvents``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, NoReturn

from corn_core.errors import (
    BadRequest,
    BadResponse,
    ClientDisconnected,
    RequestTimeout,
    ServerFault,
    TruncatedRequest,
    WorkerQuit,
)
from corn_core.escape import escape
from corn_core.http import Request
from corn_core.interfaces import ResponseSink, WorkerView, WSGIApp
from corn_core.process.output import flush_output
from corn_core.wsgi.body import RequestBody
from corn_core.wsgi.connection import ConnectionInfo
from corn_core.wsgi.environ import EnvironBuilder
from corn_core.wsgi.events import RequestEvents
from corn_core.wsgi.files import FileWrapper
from corn_core.wsgi.native import GONE, NativeCycle
from corn_core.wsgi.response import Response

_SWITCHED = "101 Switching Protocols"
"""The status in the log when an application has taken the connection over."""

_FAILED = "500 Internal Server Error"
"""The same if it failed after that; the client does not see it."""

INTERRUPTS: tuple[type[BaseException], ...] = (WorkerQuit, KeyboardInterrupt, GeneratorExit)
"""Exceptions that stop the code that runs in a worker, unless the worker names others."""


class RequestCycle:
    """Answers requests, one per call; made once per worker, when the application is loaded.

    :param worker: provides log, hooks and slot, and is passed to hooks.
    :param app: the application (PEP 3333).
    :param builder: makes the environs.
    :param send_file_allowed: whether sinks may send files without reading them; False with TLS,
        or without the setting ``sendfile``.
    :param interrupts: exceptions that are not failures of the application, see
        ``Worker.interrupts``.
    :ivar errors: ``wsgi.errors`` of all requests.
    """

    def __init__(
        self,
        worker: WorkerView,
        app: WSGIApp,
        *,
        builder: EnvironBuilder,
        send_file_allowed: bool,
        interrupts: tuple[type[BaseException], ...] = INTERRUPTS,
    ) -> None:
        self._worker = worker
        self._app = app
        # True in a process that the application has forked, see leave_child().
        self.in_child = False
        self._build = builder.build
        self.errors = builder.errors
        self._written = builder.errors.pending
        self._send_file_allowed = send_file_allowed
        self._interrupts = interrupts
        self._log = worker.log
        self._begin_request = worker.slot.begin_request
        self._end_request = worker.slot.end_request
        self._events = RequestEvents(worker, builder)
        self._before = self._events.before
        self._after = self._events.after
        self._finished = self._events.request_finished

    def native(self, on_end: Callable[[], None]) -> NativeCycle:
        """Make the object that reports requests which another server than corn's own answers.

        :param on_end: called at the end of each request, ``Worker.request_done``.
        """
        return NativeCycle(self._worker, self._events, on_end)

    def run(
        self,
        request: Request,
        body: RequestBody,
        connection: ConnectionInfo,
        sink: ResponseSink,
        keep_alive: bool,
    ) -> bool:
        """Call the application for a request, and send its response or an error page.

        Everything that the application raises is handled here: it is logged with its traceback,
        and answered with a 500 if the head has not been sent, otherwise by a response that the
        client can tell is incomplete. A client that has left is not an error. Pre_request comes
        before the application. The access line and post_request come exactly once, after the
        application's iterable was closed, except for a request that the master aborts after a
        timeout: the master writes its line.

        On return, or if it raises, the body is closed, what the application wrote to
        ``wsgi.errors`` is logged, and the sink has got everything that it will get, although it
        may not have sent it yet. The connection's ``taken`` tells whether the application has
        taken the socket over; the caller must not write to it then.

        :param body: the body, complete if the worker stores bodies.
        :param connection: told when the application uses the socket that it is offered.
        :param sink: takes the octets of the response.
        :param keep_alive: whether the server would keep the connection.
        :returns: whether the connection may be used for another request: both sides want to keep
            it, and the response was sent as its head announced.
        :raises BaseException: only what ``interrupts`` lists, such as ``WorkerQuit``. Scoreboard
            and access log are then as after any other request.
        """
        # The request counts from here, before any hook: the master judges a worker that is silent
        # by what the scoreboard says it is doing.
        started = monotonic()
        token = self._begin_request(started, request.method, request.path)
        response = Response(request, sink, keep_alive and request.keep_alive)
        environ: dict[str, Any] = {}
        try:
            # Hooks come first: if one raises, the application must not run. As long as environ is
            # empty, a BadRequest is the builder's refusal, and not an exception of the application.
            if self._before:
                self._events.request_started(request)
            environ = self._build(request, body, connection)
            if request.version == (1, 1):
                environ["wsgi.early_hints"] = response.early_hints
            result = self._app(environ, response.start_response)
            if self.in_child:
                self.leave_child(request)
            # A connection that was taken over may speak another protocol, so nothing is sent. A
            # list is the common case, and needs no close() and no chunks: its length is known.
            if connection.taken:
                _close(result)
            elif type(result) is list:
                response.send_list(result)
            else:
                self._send(result, response, request)
        except self._interrupts as error:
            if self.in_child:
                self.leave_child(request, error)
            if not self._worker.aborted:
                # After a timeout the master writes the access line, from the scoreboard: the
                # request stays in it for that reason.
                self._conclude(started, request, environ, response, connection)
                self._end_request(token)
            raise
        except BaseException as error:
            # BaseException, because asyncio's CancelledError, the Timeout of greenlets and
            # SystemExit come out of applications too, and none of them should end the worker.
            if self.in_child:
                self.leave_child(request, error)
            response.complete = False
            self._answer_failure(error, request, environ, response, connection)
        finally:
            # Before the access line: what an application printed about a request precedes it.
            body.close()
            if self._written:
                self.errors.flush()
        if response.problem or connection.taken:
            self._conclude(started, request, environ, response, connection)
        elif self._after:
            # As in _conclude(), which would be one more call for each request.
            self._finished(started, request, environ, response, connection)
        self._end_request(token)
        head = response.head
        return response.complete and head is not None and head.keep_alive

    def refuse(
        self,
        error: BadRequest,
        request: Request | None,
        connection: ConnectionInfo,
        sink: ResponseSink,
    ) -> None:
        """Answer a request that could not be read or may not be served.

        The caller must close the connection afterwards.

        :param request: what is known of the request; None if not even its first line is.
        """
        self._log_refusal(error, request, connection)
        response = Response(request, sink, keep_alive=False)
        self._send_error_page(error, response)
        self._events.refused(request, response, connection)

    def leave_child(self, request: Request | None, error: BaseException | None = None) -> NoReturn:
        """End a process that the application has forked, and that has come back from it.

        It has copies of all that the worker has, and shares with it what the kernel keeps: the
        sockets of clients and the poller. So it must not answer the request, which the worker does,
        nor go back to the loop, nor clean up. Call it when ``in_child`` is true after a call of the
        application.

        :param request: the request that has forked it, None if that is not known.
        """
        status = 1
        origin = "the application" if request is None else f"the request {escape(request.uri)}"
        if isinstance(error, SystemExit):
            status = error.code if isinstance(error.code, int) else int(error.code is not None)
        elif error is not None:
            self._log.error("Error in a process that was forked by %s", origin, exc_info=error)
        else:
            self._log.warning(
                "A process that was forked by %s has returned to the server;"
                " it is ended, and should have called os._exit() itself",
                origin,
            )
        flush_output()
        os._exit(status)

    # -- the response ----------------------------------------------------------------

    def _send(self, result: Any, response: Response, request: Request) -> None:
        """Send any iterable but a list, and close it even if that fails."""
        try:
            if type(result) is FileWrapper:
                response.send_file(result, self._send_file_allowed)
            elif type(result) is tuple:
                response.send_list(result)
            elif result is None:
                raise TypeError("the application returned None instead of an iterable")
            else:
                response.send_iterable(result)
                if self.in_child:
                    self.leave_child(request)
        except BaseException:
            self._close_after_failure(result, request)
            raise
        _close(result)

    def _close_after_failure(self, result: Any, request: Request) -> None:
        """Close, without letting a second failure replace the first."""
        try:
            _close(result)
        except self._interrupts:
            raise
        except BaseException:
            self._log.exception("Error closing the response to %s", escape(request.uri))

    def _answer_failure(
        self,
        error: BaseException,
        request: Request,
        environ: Mapping[str, Any],
        response: Response,
        connection: ConnectionInfo,
    ) -> None:
        if isinstance(error, ClientDisconnected):
            self._log.debug("Client gone during %s %s", request.method, escape(request.uri))
            response.status = response.status or GONE
            return
        if connection.touched and _says_nothing(error, response):
            connection.taken = True
            return
        if isinstance(error, BadRequest) and not environ:
            self._log_refusal(error, request, connection)
            self._send_error_page(error, response)
            return
        # What the application has written comes before its traceback.
        self.errors.flush()
        self._log.exception("Error handling request %s", escape(request.uri))
        if connection.taken:
            # The client does not read HTTP any more.
            response.status = response.status or _FAILED
        elif response.head is None:
            self._send_error_page(ServerFault(), response)
        else:
            response.cut_short()

    def _send_error_page(self, error: BadRequest, response: Response) -> None:
        message = error.for_client if isinstance(error, ServerFault) else str(error)
        try:
            response.replace(error.status, error.reason, message)
        except ClientDisconnected:
            self._log.debug("Client gone before it was told: %s", response.status)

    # -- the logs --------------------------------------------------------------------

    def _log_refusal(
        self, error: BadRequest, request: Request | None, connection: ConnectionInfo
    ) -> None:
        if isinstance(error, ServerFault):
            log = self._log.error
        elif isinstance(error, (RequestTimeout, TruncatedRequest)):
            # Clients come and go; that is not worth a warning.
            log = self._log.debug
        else:
            log = self._log.warning
        peer, text = connection.peer_host, escape(str(error))
        if request is None:
            log("Invalid request from ip=%s: %s", peer, text)
        else:
            uri = escape(request.uri)
            log("Invalid request from ip=%s: %s %s: %s", peer, request.method, uri, text)

    def _conclude(
        self,
        started: float,
        request: Request,
        environ: dict[str, Any],
        response: Response,
        connection: ConnectionInfo,
    ) -> None:
        """Tell the logs and the hooks about the end of a request."""
        if response.problem:
            self._log.error("Response to %s %s", escape(request.uri), response.problem)
        if connection.taken and response.head is None and response.status[:1] != "5":
            # Whatever status the application gives in the end, the client was told this one.
            response.status = _SWITCHED
        self._events.request_finished(started, request, environ, response, connection)


def _says_nothing(error: BaseException, response: Response) -> bool:
    """Tell whether an application that has used the client's socket wants to send no response.

    It then raises StopIteration, as under Gunicorn, or returns without calling start_response.
    """
    return not response.status and isinstance(error, (StopIteration, BadResponse))


def _close(result: Any) -> None:
    close = getattr(result, "close", None)
    if close is not None:
        close()
