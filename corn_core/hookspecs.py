"""The hooks of corn: the server's own in the manual's order, then the extension points.

Every docstring has the same fields: when the hook is called, in which process,
with which arguments, what its result is used for, what happens if it raises, and
since which version it exists. The code does not read its failure policy from
the text but from :data:`HOOKS`, which the decorator beside each specification
fills; a test compares the two.

An implementation in a plugin takes its arguments by name and may leave out
those it does not want. A function in a config file takes them by position,
under names of its own; :attr:`Hook.least` says how few it may take.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from logging import Handler
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pluggy import HookspecMarker

from corn_core.config import Config
from corn_core.findings import Finding
from corn_core.framework import Framework
from corn_core.interfaces import Command, Loader, Logger, Request, Response, Server, WorkerView
from corn_core.setting import Setting

if TYPE_CHECKING:
    from ssl import SSLContext

CORE = "core"
"""The name of the core's own plugin, and the owner of the core's settings."""

_marker = HookspecMarker("corn")
_Function = TypeVar("_Function", bound=Callable[..., Any])


class Hook(NamedTuple):
    """The properties of a hook that the code depends on.

    :param arguments: the names of its arguments, in the order of the manual.
    :param fatal: True if a failure stops what the hook was called for; other
        failures are logged, and the server continues.
    :param firstresult: True if the first result other than ``None`` is the answer.
    :param least: the smallest number of positional arguments that a config file's
        function may take.
    """

    name: str
    arguments: tuple[str, ...]
    fatal: bool
    firstresult: bool
    least: int

    @property
    def in_config_file(self) -> bool:
        """True if a config file may implement it; extension points are for plugins only."""
        return not self.name.startswith("corn_")


HOOKS: dict[str, Hook] = {}
"""Every hook by its name, in the order of this module."""


def _hook(
    *, fatal: bool = False, firstresult: bool = False, least: int | None = None
) -> Callable[[_Function], _Function]:
    def declare(function: _Function) -> _Function:
        code = function.__code__
        arguments = code.co_varnames[: code.co_argcount]
        fewest = len(arguments) if least is None else least
        HOOKS[function.__name__] = Hook(function.__name__, arguments, fatal, firstresult, fewest)
        return _marker(function, firstresult=firstresult)

    return declare


# Server hooks: moments in the life of the master, a worker, a request.


@_hook(fatal=True)
def on_starting(server: Server) -> None:
    """Prepare the server before it opens anything.

    When: once, after the pidfile is written, before signal handlers are
        installed and sockets are opened.
    Process: master.
    Arguments: ``server``, the arbiter.
    Result: ignored.
    If it raises: fatal; the master ends with exit status 1, nothing was bound.
    Since: 0.1.
    """


@_hook()
def on_reload(server: Server) -> None:
    """React to a reload (SIGHUP) that has begun.

    When: after the new configuration and its sockets are in place, before new
        workers are forked.
    Process: master.
    Arguments: ``server``, the arbiter.
    Result: ignored.
    If it raises: logged; the reload continues.
    Since: 0.1.
    """


@_hook(fatal=True)
def when_ready(server: Server) -> None:
    """Act once the server is listening.

    When: once, after the sockets are open, before the first worker is forked.
    Process: master.
    Arguments: ``server``, the arbiter.
    Result: ignored.
    If it raises: fatal; the master ends with exit status 1, no worker was forked.
    Since: 0.1.
    """


@_hook()
def when_serving(server: Server) -> None:
    """Act once as many workers serve as are wanted.

    When: at the start, once the first workers have booted; again whenever a reload, or code that
        has changed, has replaced them all, or has failed to.
    Process: master.
    Arguments: ``server``, the arbiter.
    Result: ignored.
    If it raises: logged; the server continues.
    Since: 0.1.
    """


@_hook(least=1)
def reload_failed(server: Server, reason: str) -> None:
    """React to a reload that was given up.

    When: after the old configuration is in force again, because the new one could not be read
        or used, or because a worker could not boot with it. In the first case, ``on_reload`` has
        not been called.
    Process: master.
    Arguments: ``server``, the arbiter; ``reason``, a line that says why, as the log does. A
        function in a config file may do without it.
    Result: ignored.
    If it raises: logged; the server continues as it was.
    Since: 0.1.
    """


@_hook()
def pre_fork(server: Server, worker: WorkerView) -> None:
    """Act before a worker is forked.

    When: before every fork of a worker.
    Process: master.
    Arguments: ``server``, the arbiter; ``worker``, the worker about to be forked,
        which has no process yet.
    Result: ignored.
    If it raises: logged; the worker is forked anyway.
    Since: 0.1.
    """


@_hook(fatal=True)
def post_fork(server: Server, worker: WorkerView) -> None:
    """Act in a new worker process, before anything else happens there.

    When: after every fork of a worker, while it still has the master's
        privileges, before its environment is set and the application is loaded.
    Process: worker.
    Arguments: ``server``, the worker's copy of the arbiter; ``worker``.
    Result: ignored.
    If it raises: fatal; that worker fails to boot, exit status 3.
    Since: 0.1.
    """


@_hook(fatal=True)
def post_worker_init(worker: WorkerView) -> None:
    """Act in a worker that has loaded the application.

    When: after the application is loaded, before the first request is accepted.
    Process: worker.
    Arguments: ``worker``.
    Result: ignored.
    If it raises: fatal; that worker fails to boot, exit status 3.
    Since: 0.1.
    """


@_hook()
def worker_int(worker: WorkerView) -> None:
    """Act when a worker is told to quit at once.

    When: after the worker received SIGINT or SIGQUIT.
    Process: worker.
    Arguments: ``worker``.
    Result: ignored.
    If it raises: logged; the worker quits.
    Since: 0.1.
    """


@_hook()
def worker_abort(worker: WorkerView) -> None:
    """Act when a worker is told to abort, usually because it was silent for too long.

    When: after the worker received SIGABRT; the master kills it soon afterwards.
    Process: worker.
    Arguments: ``worker``.
    Result: ignored.
    If it raises: logged; the worker exits with status 1.
    Since: 0.1.
    """


@_hook(fatal=True)
def pre_exec(server: Server) -> None:
    """Act before a new master replaces this program (SIGUSR2).

    When: in the forked process, before it executes the new program.
    Process: the new master before it starts, a fork of the old one.
    Arguments: ``server``, that process's copy of the arbiter.
    Result: ignored.
    If it raises: fatal; the upgrade is cancelled, the old master continues.
    Since: 0.1.
    """


@_hook(fatal=True)
def pre_request(worker: WorkerView, req: Request) -> None:
    """Inspect a request before the application gets it.

    When: after the request's head has been accepted, before the application is called.
    Process: worker.
    Arguments: ``worker``; ``req``, the request.
    Result: ignored.
    If it raises: fatal; the request is answered with status 500 and the
        application is not called. The worker continues.
    Since: 0.1.
    """


@_hook(least=2)
def post_request(
    worker: WorkerView, req: Request, environ: Mapping[str, Any], resp: Response | None
) -> None:
    """Inspect a request that was answered or that failed.

    When: after the response was sent, or the request failed.
    Process: worker.
    Arguments: ``worker``; ``req``, the request; ``environ``, its WSGI environ,
        empty if the request failed before it was built; ``resp``, the
        response, or ``None`` if there was none. A function in a config file
        may take the first 2, 3 or all 4.
    Result: ignored.
    If it raises: logged; the response stands.
    Since: 0.1.
    """


@_hook()
def request_refused(worker: WorkerView, req: Request | None, resp: Response) -> None:
    """Inspect a request that never reached the application, and the response to it.

    When: after the server itself has answered a request that was malformed, too large, too
        slow or forbidden, for example with 400, 408, 413 or 431. pre_request and post_request
        are not called for it.
    Process: worker.
    Arguments: ``worker``; ``req``, what is known about the request, or ``None`` if nothing is;
        ``resp``, the response.
    Result: ignored.
    If it raises: logged; the response stands.
    Since: 0.1.
    """


@_hook()
def on_tick(server: Server) -> None:
    """Do periodic work in the master, such as sending metrics.

    When: about once a second while the server runs, also while a reload waits for an address,
        and while the server stops.
    Process: master. It must be quick, because the master does nothing else meanwhile.
    Arguments: ``server``, the arbiter.
    Result: ignored.
    If it raises: logged; it is called again a second later.
    Since: 0.1.
    """


@_hook()
def child_ready(server: Server, worker: WorkerView) -> None:
    """React to a worker that has booted and serves.

    When: after the worker has reported that it accepts connections.
    Process: master.
    Arguments: ``server``, the arbiter; ``worker``, the master's own object for that worker.
    Result: ignored.
    If it raises: logged; the worker serves.
    Since: 0.1.
    """


@_hook(least=2)
def child_exit(server: Server, worker: WorkerView, status: int, reason: str) -> None:
    """React to the end of a worker process, however it ended.

    When: after the master has reaped the worker.
    Process: master.
    Arguments: ``server``, the arbiter; ``worker``, the master's own object for
        that worker; ``status``, its exit status, or the negative number of the
        signal that killed it; ``reason``, one word for why it ended:
        requests, memory, lifetime (recycled at max_requests, max_worker_memory or
        max_worker_lifetime) or the word given to ``server.recycle``, reload, surplus
        (fewer were wanted), stop, boot (it failed to boot), timeout, graceful_timeout,
        oom, killed (by a signal from elsewhere), crashed, exited (by itself, with
        status 0). A function in a config file may take the first 2, 3 or all 4.
    Result: ignored.
    If it raises: logged; the master continues.
    Since: 0.1.
    """


@_hook()
def worker_exit(server: Server, worker: WorkerView) -> None:
    """Act in a worker that is about to exit.

    When: at the end of a worker that exits by itself; not when it is killed.
    Process: worker.
    Arguments: ``server``, the worker's copy of the arbiter; ``worker``.
    Result: ignored.
    If it raises: logged; the worker exits with the status it had.
    Since: 0.1.
    """


@_hook()
def nworkers_changed(server: Server, new_value: int, old_value: int | None) -> None:
    """React to a change in the number of workers to keep.

    When: after it is first set, and whenever a signal or a reload changes it.
    Process: master.
    Arguments: ``server``, the arbiter; ``new_value``, the number of workers to
        keep from now on; ``old_value``, the number until now, ``None`` the first
        time.
    Result: ignored.
    If it raises: logged; the change stands.
    Since: 0.1.
    """


@_hook()
def on_stopping(server: Server, reason: str) -> None:
    """Act when the server begins to stop.

    When: once, before its sockets are closed and the workers are told to stop: immediately before,
        or by ``shutdown_delay`` earlier. Until then the server serves as usual.
    Process: master.
    Arguments: ``server``, the arbiter; ``reason``, a sentence that says why, empty if it was told
        to stop.
    Result: ignored.
    If it raises: logged; the server stops.
    Since: 0.1.
    """


@_hook()
def on_exit(server: Server) -> None:
    """Act when the server is about to exit.

    When: once, at the very end, after the workers are gone.
    Process: master.
    Arguments: ``server``, the arbiter.
    Result: ignored.
    If it raises: logged; the master exits with the status it had.
    Since: 0.1.
    """


@_hook(fatal=True, firstresult=True)
def ssl_context(config: Config, default_factory: Callable[[], SSLContext]) -> SSLContext | None:
    """Make the TLS context of the server's sockets.

    When: if TLS is configured, once per worker, before it accepts connections.
    Process: worker.
    Arguments: ``config``; ``default_factory``, a function without arguments that
        makes the context described by the settings.
    Result: an ``ssl.SSLContext``, or ``None`` to leave it to the next plugin and
        finally to ``default_factory``.
    If it raises: fatal; that worker fails to boot, exit status 3.
    Since: 0.1.
    """


# Extension points: how a plugin adds to the server before it runs.


@_hook(fatal=True)
def corn_settings() -> Iterable[Setting] | None:
    """Declare the settings that a plugin adds.

    When: once, before the command line is read, so that flags may be declared.
    Process: master.
    Arguments: none.
    Result: the settings; they appear in ``corn -h all`` and the reference under the
        plugin's name, and may be set wherever a setting of the core may.
    If it raises: fatal; the command ends with exit status 1.
    Since: 0.1.
    """


@_hook(fatal=True, firstresult=True)
def corn_framework(config: Config, directory: str) -> Framework | None:
    """Contribute the settings in a web framework's own file, and a way to load its application.

    When: after all other sources have been read, at startup and on every
        reload, before ``corn_configured``.
    Process: master.
    Arguments: ``config``, the configuration without the framework's settings;
        ``directory``, where the server was started: ``chdir`` and other relative
        paths in the configuration are relative to it.
    Result: a ``corn_core.plugin.Framework``, or ``None`` if the
        configuration does not ask for one. All other sources except the
        defaults override its settings; its loader, if it has one, is used
        instead of the one that ``corn_app_loader`` would choose.
    If it raises: fatal; a ``ConfigError`` is shown as it is, exit status 1. In a
        reload the old configuration stays in force.
    Since: 0.1.
    """


@_hook(fatal=True)
def corn_configured(config: Config) -> None:
    """Check the finished configuration, and refuse it if it cannot work.

    When: after all sources have been read, at startup and on every reload,
        before anything is bound or forked.
    Process: master.
    Arguments: ``config``, the immutable configuration.
    Result: ignored.
    If it raises: fatal; a ``ConfigError`` is shown as it is, exit status 1. In a
        reload the old configuration stays in force.
    Since: 0.1.
    """


@_hook(fatal=True)
def corn_explain(name: str, value: object) -> Iterable[Finding] | None:
    """Explain a name or a value that another server would understand.

    When: while the sources are read, for each flag and each name in a config file that is
        not known, and for each value that a setting refuses; by ``--check-config`` for
        each hook function and each driver too.
    Process: master.
    Arguments: ``name``, the name or the flag; ``value``, what it is set to.
    Result: findings (``corn_core.plugin.Finding``); those of level ``error`` end the
        start, ``ignored`` and ``note`` are logged, ``fine`` says that nothing is lost.
    If it raises: fatal; the command ends with exit status 1. In a reload the old
        configuration stays in force.
    Since: 0.1.
    """


@_hook(fatal=True)
def corn_instruments(config: Config) -> Iterable[object] | None:
    """Add the plugins that a configuration turns on.

    A hook that is called for every request costs time in every server in which its plugin is
    installed. One that is added here costs nothing where it is not wanted.

    When: after ``corn_configured``, at startup and on every reload.
    Process: master.
    Arguments: ``config``, the immutable configuration.
    Result: objects with hook implementations, like plugins; they replace those added
        before, and may be the same objects.
    If it raises: fatal; the command ends with exit status 1. In a reload the old
        configuration stays in force.
    Since: 0.1.
    """


@_hook(fatal=True)
def corn_commands() -> Iterable[Command] | None:
    """Add commands that an operator may give to the running master.

    When: whenever a plugin that takes commands, such as ``corn-control``, looks one up.
    Process: master.
    Arguments: none.
    Result: the commands, ``corn_core.plugin.Command``.
    If it raises: fatal; the operator is told, and the server continues.
    Since: 0.1.
    """


@_hook(fatal=True)
def corn_environment(config: Config) -> Mapping[str, str] | None:
    """Set environment variables for the process, as ``raw_env`` does.

    When: after ``corn_configured``, at startup and on every reload, which first
        restores the variables that the old configuration had set.
    Process: master.
    Arguments: ``config``.
    Result: the variables; they are set after those of ``raw_env``, in the master
        and so in the workers, before the application is loaded.
    If it raises: fatal; the command ends with exit status 1. In a reload the old
        configuration stays in force.
    Since: 0.1.
    """


@_hook(fatal=True, firstresult=True)
def corn_worker_class(name: object, config: Config) -> type | None:
    """Choose the worker class for the value of ``worker_class``.

    When: after ``corn_configured``, at startup and on every reload.
    Process: master.
    Arguments: ``name``, the setting's value, a text or a class; ``config``.
    Result: the class, or ``None`` to leave the choice to the next plugin; the
        core, asked last, looks for an entry point or an import path.
    If it raises: fatal; the command ends with exit status 1. In a reload the old
        configuration stays in force.
    Since: 0.1.
    """


@_hook(fatal=True, firstresult=True)
def corn_logger_class(name: object, config: Config) -> Callable[[Config], Logger] | None:
    """Choose the logger class for the value of ``logger_class``.

    When: after ``corn_configured``, at startup and on every reload.
    Process: master.
    Arguments: ``name``, the setting's value, a text or a class; ``config``.
    Result: the class, which is called with the configuration, or ``None`` to
        leave the choice to the next plugin; the core, asked last, looks for an
        entry point or an import path.
    If it raises: fatal; the command ends with exit status 1. In a reload the old
        configuration stays in force.
    Since: 0.1.
    """


@_hook(fatal=True)
def corn_log_handlers(config: Config, log: str) -> Iterable[Handler] | None:
    """Send the error log or the access log to further places.

    When: for each of the two, when the logs of a configuration are opened, at startup and on
        every reload; also when a reload fails later and the old configuration returns.
    Process: master.
    Arguments: ``config``; ``log``, ``error`` or ``access``.
    Result: handlers, which write beside those of the logger class, in the workers too. The
        server closes them once another configuration is in force. The logger class formats
        their messages unless they have formatters of their own.
    If it raises: fatal; the command ends with exit status 1. In a reload the old
        configuration stays in force.
    Since: 0.1.
    """


@_hook(fatal=True, firstresult=True)
def corn_app_loader(config: Config) -> Callable[[], Loader] | None:
    """Choose what loads the application.

    When: after ``corn_configured``, at startup and on every reload.
    Process: master.
    Arguments: ``config``; its ``app_loader`` names a loader or says ``auto``.
    Result: the loader, or ``None`` to leave the choice to the next plugin; the
        core, asked last, takes the loader of that name, and for ``auto`` the
        ``wsgi`` loader.
    If it raises: fatal; the command ends with exit status 1. In a reload the old
        configuration stays in force.
    Since: 0.1.
    """


@_hook(fatal=True)
def corn_check_app(config: Config, app: object, interface: str) -> None:
    """Check the loaded application when the configuration is only checked.

    When: with ``--check-config`` and ``--print-config``, after the application has
        been loaded.
    Process: master.
    Arguments: ``config``; ``app``, the application; ``interface``, how the worker calls it, see
        ``corn_wrap_app``.
    Result: ignored.
    If it raises: fatal; a ``CornError`` is shown as it is, the command ends with
        exit status 1.
    Since: 0.1.
    """


@_hook(fatal=True)
def corn_wrap_app(worker: WorkerView, app: object, interface: str) -> object:
    """Put something around the application, such as middleware that answers some requests itself.

    When: after the application has been loaded and found to be one that the worker can serve,
        before ``post_worker_init``. The hook of each plugin is given what the one before it
        returned.
    Process: worker.
    Arguments: ``worker``; ``app``, the application; ``interface``, how the worker calls it:
        ``wsgi``, ``asgi``, or the name of the library whose application it is
        (``tornado``, ``aiohttp``).
    Result: what the worker is to serve instead, or ``None`` to leave it as it is.
    If it raises: fatal; the worker does not boot, and the server ends with exit status 3 if
        no worker has booted. A plugin that cannot wrap this kind of application raises
        ``AppLoadError``, which says so.
    Since: 0.1.
    """
