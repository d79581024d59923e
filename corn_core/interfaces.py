"""The Protocols that cross ranks: what a lower rank may ask of a higher one's object."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Protocol

StartResponse = Callable[..., Callable[[bytes], object]]
WSGIApp = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]
"""An application in the sense of PEP 3333."""


class Request(Protocol):
    """What hooks and loggers may read of a request; ``corn_core.http`` has the class."""

    method: str
    uri: str
    path: str
    query: str
    version: tuple[int, int]

    @property
    def headers(self) -> list[tuple[str, str]]: ...


class Response(Protocol):
    """What hooks and loggers may read of a response."""

    status: str
    """The status line's code and reason, such as ``200 OK``."""
    headers: list[tuple[str, str]]
    """The fields as the application gave them."""
    sent: int
    """Bytes of the body handed to the connection so far."""
    duration: float
    """Seconds from the request's complete arrival to the end of the response; 0.0 before that."""

    @property
    def status_code(self) -> int: ...


class Logger(Protocol):
    """A logger class's instance; the class is built with the configuration alone."""

    access_enabled: bool
    """Whether anybody reads access lines; the request cycle looks once a worker."""

    def debug(self, msg: str, *args: Any, **kwargs: Any) -> None: ...
    def info(self, msg: str, *args: Any, **kwargs: Any) -> None: ...
    def warning(self, msg: str, *args: Any, **kwargs: Any) -> None: ...
    def error(self, msg: str, *args: Any, **kwargs: Any) -> None: ...
    def critical(self, msg: str, *args: Any, **kwargs: Any) -> None: ...
    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None: ...
    def log(self, lvl: Any, msg: str, *args: Any, **kwargs: Any) -> None: ...

    def access(
        self,
        resp: Response,
        req: Request | None,
        environ: Mapping[str, Any],
        request_time: timedelta,
    ) -> None:
        """Write the access line of one request; ``req`` is None when its head was unreadable."""

    def setup(self, config: Any) -> None:
        """Log as another configuration says, from now on."""

    def reopen_files(self) -> None: ...
    def close_on_exec(self) -> None: ...


class ApplicationLog(Protocol):
    """What a logger may have besides :class:`Logger`, for the text in ``wsgi.errors``.

    A logger without it gets the text as a message, through ``error``.
    """

    def wsgi_errors(self, text: str) -> None:
        """Write text of an application, of one or more lines, to the error log as it is."""


class ResponseSink(Protocol):
    """Where the request cycle puts a response's bytes: a driver's connection.

    ``send`` and ``send_file`` take all they are given, and keep what the client
    does not take at once; they raise ``ClientDisconnected`` when the client is gone.
    """

    def send(self, data: bytes) -> None: ...
    def send_file(self, fd: int, offset: int, count: int) -> None:
        """Send ``count`` bytes of the file open as ``fd``, from ``offset`` on."""

    def abort(self) -> None:
        """Note that the response was cut short: its connection must not end as if it were whole."""


class Hooks(Protocol):
    """The hook implementations of all plugins, as the server calls them."""

    def call(self, name: str, /, **arguments: Any) -> list[Any]:
        """Call every implementation; see the hook's specification for what a failure does."""

    def first(self, name: str, /, **arguments: Any) -> Any:
        """Call implementations until one returns something other than ``None``."""

    def bind(self, name: str, /) -> Callable[..., list[Any]] | None:
        """The hook as a callable of keyword arguments, or ``None`` when nobody implements it."""


class Slot(Protocol):
    """A worker's own slot of the scoreboard; each call is a few stores to shared memory."""

    def beat(self, now: float) -> None:
        """Say that the worker is alive at ``now`` (``time.monotonic()``)."""

    def begin_request(self, now: float, method: str, path: str) -> int:
        """Returns what :meth:`end_request` is to be told."""

    def end_request(self, token: int) -> None: ...
    def set_state(self, state: int) -> None: ...
    def set_connections(self, count: int) -> None: ...
    def shared(self) -> Slot:
        """The same slot, for a worker that runs several requests at once."""

    def server_stopping(self) -> bool:
        """Whether the master is going down, as opposed to replacing this worker."""

    def peers(self) -> list[int]:
        """The slots of all other workers; not to be changed."""

    def fewest_connections(
        self, peers: list[int], busy: int, since: float, began: float = ...
    ) -> int | None:
        """The fewest connections that any of these workers holds; None without such a worker.

        Only workers count that serve and have given a sign of life since ``since``, and that have
        fewer than ``busy`` requests in flight or none of them for longer than since ``began``; by
        default it does not matter when they began.
        """
