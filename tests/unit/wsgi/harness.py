"""Parts that the tests of the request cycle share: real ones around a sink in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h11
import pluggy

from corn_core import hookimpl, hookspecs
from corn_core.config import DEFAULT, Config
from corn_core.errors import BadRequest, ClientDisconnected
from corn_core.extensions.hooks import Hooks
from corn_core.http import Limits, Request, RequestParser
from corn_core.interfaces import WSGIApp
from corn_core.logs import SETTINGS as LOG_SETTINGS
from corn_core.logs import Logger
from corn_core.net import Listener, tls
from corn_core.process.scoreboard import Scoreboard
from corn_core.setting import Setting
from corn_core.worker.base import Worker, WorkerContext
from corn_core.wsgi import (
    ConnectionInfo,
    EnvironBuilder,
    RequestBody,
    RequestCycle,
    body,
    empty_body,
    environ,
    files,
)

SETTINGS: tuple[Setting, ...] = (
    *LOG_SETTINGS,
    *environ.SETTINGS,
    *body.SETTINGS,
    *files.SETTINGS,
    *tls.SETTINGS,
)


def make_config(**raw: object) -> Config:
    """Make a configuration of the settings that matter here, parsed as any other."""
    defaults = {setting.name: setting.default for setting in SETTINGS}
    origins = dict.fromkeys(defaults, DEFAULT)
    return Config({setting.name: setting for setting in SETTINGS}, defaults, origins).replace(**raw)


def make_body(*pieces: bytes, tmp_dir: str | None = None) -> RequestBody:
    """Make a complete body, stored piece by piece."""
    taken = RequestBody(tmp_dir)
    for piece in pieces:
        taken.append(piece)
    taken.finish()
    return taken


def make_request(head: bytes | str = b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n") -> Request:
    """Parse a head; text may have bare line ends and lack the empty line."""
    if isinstance(head, str):
        head = "\r\n".join([*head.split("\n"), "", ""]).encode("latin-1")
    parser = RequestParser(Limits())
    parser.feed(head)
    request = parser.next_request()
    assert request is not None
    return request


class MemorySink:
    """Takes a response into memory.

    :param leaves_after: the number of sends that succeed before the client is gone.
    """

    def __init__(self, leaves_after: float = float("inf")) -> None:
        self.sends: list[bytes] = []
        self.regions: list[tuple[int, int]] = []
        self.leaves_after = leaves_after
        self.aborted = False
        self.on_send: Callable[[], None] = lambda: None

    def send(self, data: bytes) -> None:
        assert data, "an empty send says nothing"
        self.on_send()
        if len(self.sends) >= self.leaves_after:
            raise ClientDisconnected("the client is gone")
        self.sends.append(bytes(data))

    def send_file(self, fd: int, offset: int, count: int) -> None:
        self.regions.append((offset, count))
        self.send(os.pread(fd, count, offset))

    def abort(self) -> None:
        self.aborted = True

    @property
    def data(self) -> bytes:
        return b"".join(self.sends)


@dataclass
class Answer:
    """A response as a client understands it, and what came of the connection."""

    keep: bool
    sink: MemorySink
    status: int = 0
    fields: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    hints: list[Any] = field(default_factory=list)
    ended: bool = False
    """Whether the client can tell that it has all of the body, the connection still open."""


def understand(sink: MemorySink, keep: bool, method: str) -> Answer:
    """Read a response with h11, as the client that sent a request with this method."""
    answer = Answer(keep, sink)
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "example.com")]))
    client.send(h11.EndOfMessage())
    client.receive_data(sink.data)
    while True:
        event = client.next_event()
        if isinstance(event, h11.InformationalResponse):
            answer.hints.append(event)
        elif isinstance(event, h11.Response):
            answer.status = event.status_code
            answer.fields = {k.decode(): v.decode("latin-1") for k, v in event.headers}
        elif isinstance(event, h11.Data):
            answer.body += event.data
        else:
            answer.ended = isinstance(event, h11.EndOfMessage)
            return answer


class Server:
    """Runs requests through the cycle; its logs are files."""

    def __init__(self, directory: Path, listener: Listener, **raw: object) -> None:
        self.error_path = directory / "error.log"
        self.access_path = directory / "access.log"
        raw.setdefault("accesslog", str(self.access_path))
        raw.setdefault("access_log_format", "%(h)s %(m)s %(U)s %(s)s %(B)s")
        self.config = make_config(errorlog=str(self.error_path), loglevel="debug", **raw)
        self.log = Logger(self.config)
        self.manager = pluggy.PluginManager("corn")
        self.manager.add_hookspecs(hookspecs)
        self.board = Scoreboard(1)
        hooks = Hooks(self.manager)
        hooks.set_logger(self.log)
        self.worker = self._make_worker(listener, hooks)
        self.listener = listener
        self.send_file_allowed = True
        self.variables: dict[str, str] = {}

    def _make_worker(self, listener: Listener, hooks: Hooks) -> Worker:
        """Make a worker that is in this process, and has no master to report to."""
        return Worker(
            WorkerContext(
                age=1,
                ppid=os.getppid(),
                listeners=[listener],
                config=self.config,
                log=self.log,
                hooks=hooks,
                load_app=lambda: lambda environ, start_response: [],
                slot=self.board.slot(self.board.allocate()),
                report=-1,
            )
        )

    def hook(self, function: Callable[..., Any]) -> None:
        """Register a hook implementation named as the function is."""
        plugin = type("plugin", (), {function.__name__: staticmethod(hookimpl(function))})
        self.manager.register(plugin, name=f"test-{len(self.manager.get_plugins())}")

    def cycle(self, app: WSGIApp, **options: Any) -> RequestCycle:
        builder = EnvironBuilder(self.config, self.log, multithread=False, variables=self.variables)
        return RequestCycle(
            self.worker, app, builder=builder, send_file_allowed=self.send_file_allowed, **options
        )

    def connection(self, peer: Any = ("192.0.2.7", 4711)) -> ConnectionInfo:
        return ConnectionInfo(self.listener, peer, object())

    def serve(
        self,
        app: WSGIApp,
        head: bytes | str = "GET / HTTP/1.1\nHost: example.com",
        *,
        body: RequestBody | None = None,
        sink: MemorySink | None = None,
        keep_alive: bool = True,
        connection: ConnectionInfo | None = None,
    ) -> Answer:
        """Answer one request, and read the answer as its client would."""
        request = make_request(head)
        sink = sink or MemorySink()
        connection = connection or self.connection()
        body = body or empty_body()
        keep = self.cycle(app).run(request, body, connection, sink, keep_alive)
        return understand(sink, keep, request.method)

    def refuse(
        self, error: BadRequest, request: Request | None, sink: MemorySink | None = None
    ) -> Answer:
        sink = sink or MemorySink()
        self.cycle(hello).refuse(error, request, self.connection(), sink)
        return understand(sink, False, request.method if request else "GET")

    @property
    def errors(self) -> str:
        return self.error_path.read_text()

    @property
    def access_lines(self) -> list[str]:
        return self.access_path.read_text().splitlines()

    @property
    def requests_served(self) -> int:
        return self.board.read(0).requests

    def close(self) -> None:
        for log in (self.log.error_log, self.log.access_log):
            for handler in list(log.handlers):
                log.removeHandler(handler)
                handler.close()
        self.board.close()


def hello(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"Hello, World!"]


def answering(
    result: Any, *fields: tuple[str, str], status: str = "200 OK"
) -> Callable[[dict[str, Any], Any], Any]:
    """Make an application with this response; a callable is called for each request."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response(status, list(fields))
        return result() if callable(result) else result

    return app
