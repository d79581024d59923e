"""The Protocols that cross ranks: what plugins are handed, and what they are asked for.

A plugin sees the master as a :class:`Server` and a worker as a :class:`WorkerView`; the classes
behind them have more, which is private. ``corn_core.typing`` offers these names to plugins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from datetime import timedelta
from threading import Event
from typing import Any, NamedTuple, Protocol

from corn_core.config import Config

StartResponse = Callable[..., Callable[[bytes], object]]
"""The second argument of an application as defined by PEP 3333."""

WSGIApp = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]
"""An application as defined by PEP 3333."""


# -- what hooks and loggers are told of a request ---------------------------------------


class Request(Protocol):
    """The attributes of a request that hooks and loggers may read."""

    method: str
    """The method as sent; methods are case-sensitive."""
    uri: str
    """The target as sent. It contains no control characters, so it is safe to log."""
    path: str
    """The target's path, still percent-encoded."""
    query: str
    """The text after the ``?`` of the target, or empty."""
    version: tuple[int, int]
    """``(1, 0)`` or ``(1, 1)``."""

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The fields as sent, in order, with names in upper case."""


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
    def status_code(self) -> int:
        """The status as a number; 0 if there is none."""


# -- the master and its workers, as hooks see them ---------------------------------------


class HasFileno(Protocol):
    """An object that has a descriptor, such as a socket."""

    def fileno(self) -> int:
        """Return the descriptor."""


class ListenerView(Protocol):
    """A listening socket, as hooks see it; ``str()`` of it is its URL."""

    url: str
    """The URL of the socket, such as ``http://127.0.0.1:8000`` or ``unix:/run/shop.sock``."""
    per_worker: bool
    """True if each worker listens on a socket of its own, see the setting ``reuse_port``."""
    shared: bool
    """True while another master listens on it too, during an upgrade."""

    def fileno(self) -> int:
        """Return the descriptor of the socket."""

    def queued(self) -> int | None:
        """Return how many connections wait to be accepted, or ``None`` if the system cannot say."""


class WorkerSnapshot(NamedTuple):
    """A worker at one moment, from the scoreboard; times are seconds of ``time.monotonic()``.

    :param age: its number among all workers ever forked.
    :param slot: its index in the scoreboard.
    :param state: ``booting``, ``idle``, ``busy`` or ``draining``.
    :param requests: how many it has answered.
    :param connections: how many it has open.
    :param in_flight: the requests that are in the application now.
    :param heartbeat: when it last showed that it is alive.
    :param request_started: when the one that has been there for longest began, 0.0 for none.
    :param method: of that request, or of the last one; ``path`` likewise.
    :param serving_since: when it began to serve; 0.0 while it boots.
    :param generation: the number of the configuration that it was forked with.
    """

    pid: int
    age: int
    slot: int
    state: str
    requests: int
    connections: int
    in_flight: int
    heartbeat: float
    request_started: float
    method: str
    path: str
    serving_since: float
    generation: int = 0


class CodeReloader(Protocol):
    """The watcher of a worker's files, while the setting ``reload`` is on."""

    def add_extra_file(self, path: str) -> None:
        """Watch one more file, or all files that match one more pattern."""

    def get_files(self) -> list[str]:
        """List the watched files in alphabetical order."""


class WorkerView(Protocol):
    """A worker as hooks see it, in its own process and, before the fork, in the master.

    Worker classes have more, see ``corn_core.worker.Worker``.
    """

    pid: int
    """The process id; 0 before the fork."""
    age: int
    """The number of the worker among all that the master has made; the first is 1."""
    ppid: int
    """The process id of the master."""
    nr: int
    """The number of requests answered so far; in the master it stays 0."""
    max_requests: int
    """The number of requests after which the worker is replaced, 0 for never."""
    alive: bool
    """False once the worker is to finish; a hook that sets it to False makes it stop."""
    booted: bool
    """True once the application is loaded and the worker accepts requests."""
    aborted: bool
    """True if the master stops the worker because it was silent for too long."""
    app: WSGIApp
    """The application; missing before it is loaded."""
    cfg: Config
    """The configuration that the worker was made with."""
    log: Logger
    """The server's log."""
    hooks: Hooks
    """The hook implementations of all plugins."""
    slot: Slot
    """The worker's own slot of the scoreboard."""

    @property
    def listeners(self) -> Sequence[ListenerView]:
        """The sockets that the worker accepts connections on."""

    @property
    def sockets(self) -> list[object]:
        """The listening sockets themselves, as ``socket.socket`` objects."""

    @property
    def reloader(self) -> CodeReloader | None:
        """The watcher of the application's files; ``None`` unless ``reload`` is on."""


class Server(Protocol):
    """The master as hooks see it; in a worker, a copy of how things were at its fork."""

    pid: int
    """The master's process id."""
    hooks: Hooks
    """The hook implementations of all plugins."""

    @property
    def cfg(self) -> Config:
        """The configuration in force."""

    @property
    def log(self) -> Logger:
        """The logger in force."""

    @property
    def num_workers(self) -> int:
        """The number of workers to keep; TTIN, TTOU and a reload change it."""

    @property
    def generation(self) -> int:
        """The number of the configuration in force: 1 at the start; each reload takes the next."""

    @property
    def worker_name(self) -> str:
        """The name of the worker class in force, such as ``gthread``."""

    @property
    def timeout(self) -> float:
        """The seconds that a worker may be silent."""

    @property
    def proc_name(self) -> str:
        """The name that process titles show."""

    @property
    def address(self) -> list[str]:
        """The addresses that the configuration names."""

    @property
    def LISTENERS(self) -> Sequence[ListenerView]:
        """The sockets of the configuration in force; none before the server listens."""

    @property
    def WORKERS(self) -> Mapping[int, WorkerView]:
        """The workers that are alive, by process id."""

    @property
    def stopping(self) -> int:
        """0 until the server begins to stop, or announces that it will, see ``shutdown_delay``."""

    @property
    def successor(self) -> int:
        """The process id of the master that this one has started, while that lives; otherwise 0."""

    @property
    def predecessor(self) -> int:
        """The process id of the master that this one replaces, while that lives; otherwise 0."""

    def snapshot(self) -> tuple[WorkerSnapshot, ...]:
        """Return the workers as they are now, oldest first; from ``when_ready`` on."""

    def recycle(self, pid: int, why: str) -> bool:
        """Replace a worker, which serves until the replacement is ready.

        Recycled workers are replaced one at a time. Returns False, and does nothing, if there is
        no worker with that process id that serves, or if it is being replaced already.

        :param why: one word, which ``child_exit`` gets as the reason.
        """

    def resize(self, workers: int) -> None:
        """Change the number of workers to keep, as TTIN and TTOU do."""

    def signal_worker(self, pid: int, number: int) -> bool:
        """Send a signal to a worker; what it dies of is then no surprise to the log.

        Returns False, and does nothing, if there is no worker with that process id.
        """

    def ask_for_stacks(self, pid: int) -> bool:
        """Ask a worker to write the stack of each of its threads; see :meth:`take_stacks`.

        Returns False, and does nothing, if there is no worker with that process id that serves, if
        the log is about to have its stacks because it is silent, or if the system lacks real-time
        signals.
        """

    def take_stacks(self, pid: int) -> str:
        """Return what a worker has written of its stacks since it was asked; empty if nothing.

        Half a second is enough for a worker that can write them at all.
        """

    def watch(
        self, file: int | HasFileno, callback: Callable[[], object], writable: bool = False
    ) -> None:
        """Call a function in the master's loop whenever a descriptor can be read, or written.

        From ``when_ready`` on. The function must never wait for anything, because the master does
        nothing else meanwhile. Workers inherit the descriptor: close it in ``post_fork``.
        """

    def unwatch(self, file: int | HasFileno) -> None:
        """Stop watching a descriptor; to be called before it is closed."""


# -- what plugins supply ------------------------------------------------------------------


class Command(NamedTuple):
    """An order that an operator may give to the master while it runs, see ``corn_commands``.

    :param name: one word in lower case, perhaps with hyphens.
    :param help: one line that says what it does.
    :param run: called in the master's loop, so it must never wait for anything. It gets the master
        and the arguments, and returns an answer that can be written as JSON. If what it does
        takes time, it returns a function without arguments instead, which is called about once a
        second, and whenever a worker begins to serve or ends, until it returns something other
        than ``None``, which is the answer. Either may raise ``CommandError``.
    """

    name: str
    help: str
    run: Callable[[Server, Mapping[str, Any]], Any]


class Logger(Protocol):
    """An instance of a logger class; the class is called with the configuration alone.

    The methods from ``debug`` to ``log`` are those of ``logging.Logger``.
    """

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

    def setup(self, config: Config) -> None:
        """Log according to another configuration from now on."""

    def reopen_files(self) -> None:
        """Close the log files and open them again, because USR1 says that they were moved."""

    def close_on_exec(self) -> None:
        """Keep programs that the application starts from inheriting the log files."""


class ApplicationLog(Protocol):
    """The optional method of a :class:`Logger` that takes the text written to ``wsgi.errors``.

    A logger without it gets the text as a message, through ``error``.
    """

    def wsgi_errors(self, text: str) -> None:
        """Write an application's text, of one or more lines, to the error log as it is."""


class Loader(Protocol):
    """A loader of applications, as made by the classes in the group ``corn.loaders``.

    The classes are called without arguments.
    """

    def load(self, config: Config) -> WSGIApp:
        """Load the application; in each worker, or once in the master with ``preload_app``.

        :raises AppLoadError: when it cannot be loaded.
        """

    def name(self, config: Config) -> str:
        """Return what to call the application, in process titles for example.

        It is called in the master, before anything is loaded.

        :raises ConfigError: when the configuration names no application.
        """


class ReloadEngine(Protocol):
    """Waits for changes, as the classes in the group ``corn.reloaders`` do.

    The classes are called without arguments. One thread of the worker uses the engine, which is
    not its main thread.
    """

    def wait(self, directories: Set[str], stop: Event) -> None:
        """Return when something may have changed, after a second, or when ``stop`` is set.

        :param directories: the directories that directly contain watched files; they exist, or
            did a moment ago.
        :raises Exception: when it cannot wait; the worker then polls.
        """


# -- what workers and drivers use ---------------------------------------------------------


class ResponseSink(Protocol):
    """The destination of a response's bytes: a driver's connection.

    ``send`` and ``send_file`` accept everything they are given, and buffer what the client does
    not take at once. They raise ``ClientDisconnected`` if the client is gone.
    """

    def send(self, data: bytes) -> None:
        """Send bytes."""

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

    index: int
    """The number of the slot, from 0. A replacement takes over the slot of a worker that ended."""

    def beat(self, now: float) -> None:
        """Record that the worker is alive at ``now`` (``time.monotonic()``)."""

    def begin_request(self, now: float, method: str, path: str) -> int:
        """Record the start of a request; returns the argument for :meth:`end_request`."""

    def end_request(self, token: int) -> None:
        """Record the end of a request, and count it."""

    def set_state(self, state: int) -> None:
        """Record what the worker is doing; the core does this for every worker."""

    def set_connections(self, count: int) -> None:
        """Record how many connections the worker has open."""

    def shared(self) -> Slot:
        """Return the same slot, for a worker that runs several requests at once."""

    def server_stopping(self) -> bool:
        """Tell whether the whole server is stopping, rather than this worker being replaced."""

    def peers(self) -> list[int]:
        """Return the slots of all other workers; the list must not be changed."""

    def fewest_connections(
        self, peers: list[int], busy: int, since: float, began: float = ...
    ) -> int | None:
        """Return the fewest connections that any of these workers holds; None without such one.

        Only workers count that serve and have given a sign of life since ``since``, and that have
        fewer than ``busy`` requests in flight or none of them for longer than since ``began``; by
        default it does not matter when they began.
        """
