"""Tells hooks and logs about requests, however they are answered.

This is the one module where pre_request, post_request and request_refused fire and where access
lines are written, for every worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from time import monotonic
from typing import Any

from corn_core.http import Request
from corn_core.interfaces import Response, WorkerView
from corn_core.wsgi.connection import ConnectionInfo
from corn_core.wsgi.environ import EnvironBuilder


class RequestEvents:
    """Binds the request hooks and the access log once, at construction.

    :ivar before: whether :meth:`request_started` has hooks to call.
    :ivar after: whether :meth:`request_finished` has hooks to call or an access line to write.
    """

    def __init__(self, worker: WorkerView, builder: EnvironBuilder) -> None:
        self._worker = worker
        self._builder = builder
        self._log = worker.log
        self._pre_request = worker.hooks.bind("pre_request")
        self._post_request = worker.hooks.bind("post_request")
        self._request_refused = worker.hooks.bind("request_refused")
        self.before = self._pre_request is not None
        self.after = self._post_request is not None or self._log.access_enabled

    def request_started(self, request: Request) -> None:
        """Call pre_request.

        :raises HookFailed: when it fails; the application must not be called then.
        """
        if self._pre_request is not None:
            self._pre_request(worker=self._worker, req=request)

    def request_finished(
        self,
        started: float,
        request: Request,
        environ: dict[str, Any],
        response: Response,
        connection: ConnectionInfo,
    ) -> None:
        """Log a finished request and call post_request.

        :param started: when it began, ``time.monotonic()``.
        :param environ: empty if none was built; the access line then gets as much as is known.
        """
        response.duration = monotonic() - started
        if self._log.access_enabled:
            described = environ or self._builder.describe(request, connection)
            self._write_access_line(response, request, described)
        if self._post_request is not None:
            self._post_request(worker=self._worker, req=request, environ=environ, resp=response)

    def refused(
        self, request: Request | None, response: Response, connection: ConnectionInfo
    ) -> None:
        """Log a request that was answered without the application, and call request_refused."""
        if self._log.access_enabled:
            environ = self._builder.describe(request, connection)
            self._write_access_line(response, request, environ)
        if self._request_refused is not None:
            self._request_refused(worker=self._worker, req=request, resp=response)

    def describe(self, request: Request, connection: ConnectionInfo) -> dict[str, Any]:
        """Build what an access line needs of the environ of a request that has none."""
        return self._builder.describe(request, connection)

    def _write_access_line(
        self, response: Response, request: Request | None, environ: Mapping[str, Any]
    ) -> None:
        try:
            duration = timedelta(0, response.duration)
            self._log.access(response, request, environ, duration)
        except Exception:
            # Broad: the logger class may be a third party's, and its failure is not the request's.
            self._log.exception("Error writing the access log")
