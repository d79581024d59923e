"""The Worker class: what every worker shares, and the few methods a new one supplies."""

from __future__ import annotations

import faulthandler
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, ClassVar, NamedTuple, NoReturn

from corn_core.config import Config
from corn_core.errors import AppLoadError, WorkerQuit
from corn_core.extensions.hints import no_attribute
from corn_core.interfaces import Hooks, Logger, Slot, WSGIApp
from corn_core.loaders.fit import check_call, refuse_asgi
from corn_core.loaders.wsgi import is_asynchronous
from corn_core.net import Listener
from corn_core.net.tls import Tls
from corn_core.setting import Setting, integer
from corn_core.worker.wakeup import Wakeup
from corn_core.wsgi import INTERRUPTS, RequestCycle
from corn_core.wsgi.offered import SOCKET_NAMES

if TYPE_CHECKING:
    from ssl import SSLContext

    from corn_core.reloading.reloader import Reloader

SETTINGS = (
    Setting(
        name="max_requests",
        section="Worker Processes",
        parse=integer(0),
        default=0,
        help=(
            "The number of requests after which a worker is replaced, which limits what a"
            " memory leak can do. The replacement is ready before the old worker stops"
            " accepting, so the old one may serve a few more than this. 0 never replaces a"
            " worker."
        ),
        flags=("--max-requests",),
        metavar="INT",
    ),
    Setting(
        name="max_requests_jitter",
        section="Worker Processes",
        parse=integer(0),
        default=0,
        help=(
            "The most that is added to max_requests, drawn anew for every worker, so that"
            " workers do not all want replacing at the same time."
        ),
        flags=("--max-requests-jitter",),
        metavar="INT",
    ),
    Setting(
        name="threads",
        section="Worker Processes",
        parse=integer(1),
        default=1,
        help=(
            "The threads of a worker that may be in the application at the same time. More than"
            " one with the sync worker means the gthread worker."
        ),
        flags=("--threads",),
        metavar="INT",
    ),
)


MARK = b"\x01"
"""Begins each message to the master. faulthandler writes its dumps into the same pipe, and escapes
whatever is not printable: so no line of a dump, nor half of one, is taken for a message."""


class WorkerContext(NamedTuple):
    """The things that the master hands to a worker; made before the fork, used after it.

    :param age: how many workers the master had created before this one, plus one.
    :param ppid: the master's process id.
    :param listeners: the sockets to accept on, open in every worker.
    :param load_app: loads the application, or returns the one the master has preloaded.
    :param slot: the worker's slot of the scoreboard.
    :param report: the write end of the pipe on which the worker tells the master its state.
    :param tls: where the TLS context comes from; None when the server speaks plain HTTP.
    """

    age: int
    ppid: int
    listeners: Sequence[Listener]
    config: Config
    log: Logger
    hooks: Hooks
    load_app: Callable[[], WSGIApp]
    slot: Slot
    report: int
    tls: Tls | None = None


class Worker:
    """A worker process. Subclass it one level deep and supply :meth:`run`.

    The core forks, sets up signals and logging, loads the application and calls the
    hooks; then it calls :meth:`run`, which serves requests through :attr:`cycle` until
    :attr:`alive` is False, finishes what it has begun, and returns.

    :ivar pid: the process id; 0 before the fork.
    :ivar age: the number of the worker among all that the master has made; the first is 1.
    :ivar ppid: the process id of the master.
    :ivar cfg: the configuration that the worker was made with.
    :ivar log: the server's log.
    :ivar hooks: the hook implementations of all plugins.
    :ivar slot: the worker's slot of the scoreboard, see ``Slot``.
    :ivar listeners: the sockets to accept on, each a ``Listener``.
    :ivar alive: False once the worker is to finish: after TERM, or when the master is gone.
    :ivar booted: True once the application is loaded and the worker accepts requests.
    :ivar aborted: True if the master stops the worker because it was silent for too long.
    :ivar orphaned: True once the master is gone.
    :ivar on_orphaned: called then, maybe in a signal's handler; a driver sets it.
    :ivar nr: the number of requests answered so far.
    :ivar max_requests: the number of requests after which it is replaced, 0 for never.

    There are ``wsgi``, ``timeout`` and ``tmp`` too, for hook functions written for Gunicorn.
    """

    multithread: ClassVar[bool] = False
    """True if several requests may be in the application at once, in threads or in greenlets:
    ``wsgi.multithread``. The scoreboard then counts all of them."""

    concurrent_slot: bool = False
    """True if the scoreboard counts several requests at once though :attr:`multithread` is False:
    requests of an event loop wait for each other in one thread. What it depends on may be the
    application: it is read once :meth:`prepare` has returned."""

    interrupts: tuple[type[BaseException], ...] = INTERRUPTS
    """The exceptions that stop the running code, and so pass through the request cycle instead of
    being answered as the application's failure. A worker whose greenlets are stopped by
    another exception adds it, in :meth:`prepare` at the latest; one whose requests run in threads
    where none of this is raised has none."""

    capabilities: ClassVar[frozenset[str]] = frozenset()
    """The abilities of a worker beyond what every worker must do, for the conformance tests:
    ``keepalive`` (connections outlive a response), ``concurrency`` (a slow request does not
    delay others), ``long-requests`` (a request may take longer than ``timeout``), ``turns``
    (clients are answered one after another, however much one of them asks), ``uploads`` (short
    requests come between the parts of long bodies), ``balance`` (workers share the connections that
    arrive at the same time), ``socket`` (an application may take the client's socket), ``asgi`` (it
    serves applications of ASGI, and none of WSGI), ``websocket`` (it serves them by itself),
    ``native`` (it serves applications of its library, not only WSGI)."""

    socket_names: ClassVar[tuple[str, ...]] = SOCKET_NAMES
    """The keys of the environ under which applications find the client's socket."""

    ignored_settings: ClassVar[tuple[str, ...]] = ()
    """Settings without effect on this worker; setting one brings a warning."""

    app: WSGIApp
    """The application, once it is loaded."""
    cycle: RequestCycle
    """Answers requests: hooks, application, response and access log; there from :meth:`run` on."""
    reloader: Reloader | None = None
    """The watcher of the application's files, when ``reload`` is on."""
    wakeup: Wakeup
    """Its ``fd`` is readable after a signal, for a loop that waits in a poller. The core owns the
    process's wake-up descriptor (``signal.set_wakeup_fd``): call ``wakeup.release()`` before a
    library's loop starts that sets its own, and watch ``wakeup.fd`` in that loop all the same."""
    ssl_context: SSLContext | None = None
    """For the connections of all listeners; None when they speak plain HTTP."""

    def __init__(self, context: WorkerContext) -> None:
        self.context = context
        self.age = context.age
        self.ppid = context.ppid
        self.pid = 0
        self.cfg = context.config
        self.log = context.log
        self.hooks = context.hooks
        self.slot = context.slot
        self.listeners = context.listeners
        self.alive = True
        self.booted = False
        self.aborted = False
        self.orphaned = False
        self.on_orphaned: Callable[[], None] = lambda: None
        self.nr = 0
        self._next_number = count(1).__next__
        self.max_requests = 0

    def __str__(self) -> str:
        return f"<{type(self).__name__} {self.pid}>"

    # -- what hook functions written for Gunicorn know -------------------------------

    @property
    def wsgi(self) -> WSGIApp:
        """The application; the same as :attr:`app`."""
        return self.app

    @property
    def timeout(self) -> float:
        """The seconds that the worker may be silent."""
        timeout: float = self.cfg.timeout
        return timeout

    @property
    def tmp(self) -> Worker:
        """The object whose ``notify`` says that the worker is not stuck: the worker itself."""
        return self

    if not TYPE_CHECKING:  # or mypy would not find a misspelt attribute any more

        def __getattr__(self, name: str) -> NoReturn:
            # Called only for attributes that do not exist.
            raise no_attribute("worker", self, name)

    # -- what a subclass supplies ----------------------------------------------------

    @classmethod
    def check_config(cls, config: Config) -> None:
        """Refuse, with ``ConfigError``, a configuration that this worker cannot work with."""

    @classmethod
    def before_boot(cls, config: Config, log: Logger) -> None:
        """Prepare the process for importing the application, as by monkey patching.

        Called in each worker before the application is loaded, and with ``preload_app`` in the
        master as well, before that: so once more in workers whose process has been prepared.
        """

    @classmethod
    def check_app(cls, app: WSGIApp, config: Config) -> None:
        """Refuse, with ``AppLoadError``, an application that this worker cannot serve.

        Called with what the loader gave, in each worker before :meth:`prepare`, and by
        ``--check-config``. A worker that serves its library's own applications lets those pass.
        """
        refuse_asgi(app, config)
        if is_asynchronous(app):
            raise AppLoadError(
                f"{config.wsgi_app!r}: it gives a coroutine when it is called, which"
                f" worker class {config.worker_class!r} cannot serve: it is not a WSGI application"
            )
        check_call(app, config)

    @classmethod
    def interface(cls, app: WSGIApp) -> str:
        """Tell how this worker calls the application, for plugins that put something around it.

        Here ``wsgi``. A worker that serves its library's own applications returns the name of the
        library for them.
        """
        return "wsgi"

    def prepare(self) -> None:
        """Get ready to serve :attr:`app`, which has just been loaded, or refuse it.

        The worker has not booted before this returns. A worker that calls its library's own
        applications, or lets them start something, does it here, and may replace :attr:`app`.

        :raises AppLoadError: when the application cannot be made or started.
        """

    def ignored_by_app(self) -> Iterable[str]:
        """Return the settings that have no effect on :attr:`app`, once :meth:`prepare` is done.

        They cause a warning too, but in a worker: the master does not know the application.
        """
        return ()

    def run(self) -> None:
        """Serve requests until :attr:`alive` is False, then finish and return.

        Called once, in the main thread, when the worker has booted: :attr:`app` and :attr:`cycle`
        are there, and the master counts on the worker from now on. The implementation

        - accepts connections on :attr:`listeners`, and passes each request to :attr:`cycle`;
        - calls :meth:`notify` at least once a second, from the loop itself, or the master kills
          the worker after ``timeout``;
        - calls :meth:`request_done` after each request;
        - wakes up when :attr:`wakeup` becomes readable, and then looks at :attr:`alive`.

        Once :attr:`alive` is False it accepts nothing more, finishes the requests that have begun,
        and returns; the master kills the worker after ``graceful_timeout``. Returning while
        :attr:`alive` is True is logged as a mistake, and the worker is replaced. An exception that
        comes out is logged with its traceback, and the process exits with status 1. ``WorkerQuit``
        is raised in it by signals that stop the worker at once, and must come out.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how it runs")

    def run_soon(self, act: Callable[[], None]) -> None:
        """Do what a signal asks for; called in its handler, wherever the main thread is.

        ``act`` logs, calls hook functions, and may raise ``WorkerQuit``. A worker overrides this
        if there are moments at which its main thread may do none of that, and does it a moment
        later; but not while the application runs, for that may be the reason of the signal.
        """
        act()

    # -- what a subclass calls -------------------------------------------------------

    @property
    def sockets(self) -> list[object]:
        """The listening sockets themselves."""
        return [listener.socket for listener in self.listeners]

    def notify(self) -> None:
        """Say that the worker is not stuck; at least once a second, from the loop itself.

        It also looks whether the master is still there, and stops the worker if not.
        """
        self.slot.beat(monotonic())
        if self.booted and self.cycle.errors.pending:
            self.cycle.errors.flush_stale()
        self.look_for_master()

    def look_for_master(self, gone: bool = False) -> None:
        """Stop the worker if its master is gone; and end this process if it is not the worker.

        A worker that is left alone has no master that ends it after ``graceful_timeout``, and
        another server may be waiting for its addresses. So it sets itself that limit, by a timer
        that works while C code holds the interpreter, and that shows where every thread was.

        :param gone: whether the master is known to be gone.
        """
        if self.orphaned or (not gone and os.getppid() == self.ppid):
            return
        if os.getpid() != self.pid:
            # The application has forked, and its child has come back to the loop. Nothing may be
            # cleaned up: the child shares the poller and the clients' sockets with the worker.
            self.log.warning("A process that the application forked has gone on as %s", self)
            os._exit(1)
        self.orphaned = True
        limit = self.cfg.graceful_timeout
        self.log.info("Parent changed, shutting down within %g seconds: %s", limit, self)
        # By its number: sys.stderr may have been replaced, and a process may have begun without it.
        stacks = self.context.report if sys.__stderr__ is None else 2
        faulthandler.dump_traceback_later(max(limit, 0.001), exit=True, file=stacks)
        self.alive = False
        if not self.booted:
            raise WorkerQuit(0)
        self.on_orphaned()
        self.wakeup.wake()

    def request_done(self) -> None:
        """Count a request; at ``max_requests``, ask the master for a replacement."""
        # Threads may be here at the same moment: next() of a counter is one step to them, an
        # addition is not.
        self.nr = number = self._next_number()
        if number == self.max_requests:
            self.log.info("Autorestarting worker after current request.")
            self.report(b"retiring")

    # -- what the core calls ---------------------------------------------------------

    def report(self, line: bytes) -> None:
        """Tell the master; a single line, so that a whole one arrives or none."""
        try:
            os.write(self.context.report, MARK + line + b"\n")
        except BrokenPipeError:
            # The master is gone. The next heartbeat finds the same, and acts on it.
            return

    def refuse_clients(self) -> None:
        """Let no further client in on sockets that only this worker has, when the server stops.

        Called in a signal's handler. The master does it for the sockets that it shares with its
        workers. If only this worker is replaced, it still takes those who come until then.
        """
        if self.slot.server_stopping():
            for listener in self.listeners:
                if listener.per_worker:
                    listener.refuse()

    def adopt_process(self) -> None:
        """Take over what is only known after the fork."""
        self.pid = os.getpid()
        self.wakeup = Wakeup()
        if self.cfg.max_requests:
            from random import randint  # lazy: most workers serve for as long as they can

            self.max_requests = self.cfg.max_requests + randint(0, self.cfg.max_requests_jitter)
