"""The Protocols that cross ranks: what a lower rank may ask of an object from a higher one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Protocol

StartResponse = Callable[..., Callable[[bytes], object]]
WSGIApp = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]
"""An application as defined by PEP 3333."""


class Request(Protocol):
    """The attributes of a request that hooks and loggers may read; the class is in ``http``."""

    method: str
    uri: str
    path: str
    query: str
    version: tuple[int, int]

    @property
    def headers(self) -> list[tuple[str, str]]: ...


class Response(Protocol):
    """The attributes of a response that hooks and loggers may read."""

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
    """An instance of a logger class; the class is called with the configuration alone."""

    access_enabled: bool
    """True if access lines are written at all; the request cycle checks once per worker."""

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
        """Write the access line of one request; ``req`` is None if its head was malformed."""

    def setup(self, config: Any) -> None:
        """Log according to another configuration from now on."""

    def reopen_files(self) -> None: ...
    def close_on_exec(self) -> None: ...


class ApplicationLog(Protocol):
    """The optional method of a :class:`Logger` that takes the text written to ``wsgi.errors``.

    A logger without it gets the text as a message, through ``error``.
    """

    def wsgi_errors(self, text: str) -> None:
        """Write an application's text, of one or more lines, to the error log as it is."""


class ResponseSink(Protocol):
    """The destination of a response's bytes: a driver's connection.

    ``send`` and ``send_file`` accept everything they are given, and buffer what the client does
    not take at once. They raise ``ClientDisconnected`` if the client is gone.
    """

    def send(self, data: bytes) -> None: ...
    def send_file(self, fd: int, offset: int, count: int) -> None:
        """Send ``count`` bytes of the file open as ``fd``, from ``offset`` on."""

    def abort(self) -> None:
        """Note that the response is incomplete, and the end of the connection must show that."""


class Hooks(Protocol):
    """The hook implementations of all plugins, as the server calls them."""

    def call(self, name: str, /, **arguments: Any) -> list[Any]:
        """Call every implementation; see the hook's specification for what a failure does."""

    def first(self, name: str, /, **arguments: Any) -> Any:
        """Call implementations until one returns something other than ``None``."""

    def chain(self, name: str, argument: str, value: Any, /, **arguments: Any) -> Any:
        """Call every implementation with what the one before returned; return the last result."""

    def bind(self, name: str, /) -> Callable[..., list[Any]] | None:
        """Return the hook as a callable of keyword arguments, or ``None`` if none implements it."""


class Slot(Protocol):
    """A worker's own slot of the scoreboard; each call is a few stores to shared memory."""

    def beat(self, now: float) -> None:
        """Record that the worker is alive at ``now`` (``time.monotonic()``)."""

    def begin_request(self, now: float, method: str, path: str) -> int:
        """Record the start of a request; returns the argument for :meth:`end_request`."""

    def end_request(self, token: int) -> None: ...
    def set_state(self, state: int) -> None: ...
    def set_connections(self, count: int) -> None: ...
    def shared(self) -> Slot:
        """Return the same slot, for a worker that runs several requests at once."""

    def server_stopping(self) -> bool:
        """Tell whether the whole server is stopping, rather than this worker being replaced."""

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
