"""From a fresh fork to a serving worker, and from there to its exit status.

The order is a contract with hook functions: ``post_fork`` while the process still has the
master's privileges, ``post_worker_init`` when the application is loaded, ``worker_exit`` last.
"""

from __future__ import annotations

import json
import os
from functools import partial
from traceback import format_exception
from typing import TYPE_CHECKING

from corn_core.errors import BootError, CornError, HookFailed, WorkerQuit, one_line
from corn_core.extensions.drivers import name_of_worker
from corn_core.frames import application_traceback
from corn_core.interfaces import Server, WSGIApp
from corn_core.process.privileges import drop_privileges
from corn_core.process.scoreboard import BOOTING, DRAINING, IDLE
from corn_core.process.title import set_title
from corn_core.worker.base import Worker
from corn_core.worker.signals import SignalHandlers, signal_end_of_master
from corn_core.wsgi import EnvironBuilder, ProxiedEnvironBuilder, RequestCycle

if TYPE_CHECKING:
    from corn_core.reloading.reloader import Reloader


def boot_worker(worker: Worker, server: Server) -> int:
    """Run a worker in the process that was forked for it; returns its exit status."""
    handlers = SignalHandlers(worker, worker.context.report)
    try:
        worker.adopt_process()
        handlers.install()
        os.register_at_fork(after_in_child=partial(_leave_worker, worker, handlers))
        signal_end_of_master(worker.context.report)
        status = _boot(worker, server)
        if status == 0:
            worker.run()
            if worker.alive:
                name = type(worker).__name__
                worker.log.warning("%s.run() has returned, but it was not told to stop", name)
            worker.slot.set_state(DRAINING)
    except WorkerQuit as leaving:
        status = int(leaving.code or 0)
    except Exception:
        # Whatever escapes a worker's loop is a defect of that loop: say all there is to say,
        # and let the master start another one.
        worker.log.exception("Exception in worker process")
        status = 1
    handlers.retire()
    if worker.booted:
        worker.cycle.errors.flush_all()
    if worker.reloader is not None:
        worker.reloader.stop()
    worker.hooks.call("worker_exit", server=server, worker=worker)
    worker.log.info("Worker exiting (pid: %s)", worker.pid)
    return status


def _leave_worker(worker: Worker, handlers: SignalHandlers) -> None:
    """Give up what belongs to the worker alone, in a process that the application has forked.

    It may live longer than the worker, and then must neither hold the addresses nor ignore the
    signals that end any other process.
    """
    handlers.remove()
    for listener in worker.listeners:
        # Closed, and never unregistered: epoll's list of descriptors is one for both processes.
        listener.close()
    if worker.booted:
        worker.cycle.in_child = True


def _boot(worker: Worker, server: Server) -> int:
    """Boot, and report how that went; returns 0, or the exit status of the failure."""
    try:
        _prepare(worker, server)
    except HookFailed as error:
        # The hook's own status is the master's; here it is a worker that does not boot.
        failure = BootError(str(error))
        if error.__cause__ is not None:
            failure.details = application_traceback(error.__cause__)
        _report_failure(worker, failure)
        return failure.exit_status
    except CornError as error:
        _report_failure(worker, error)
        return error.exit_status
    except Exception as error:
        # A hook function or a worker's own before_boot: anything may come out of them.
        failure = BootError(one_line(error))
        failure.__cause__ = error
        _report_failure(worker, failure)
        return failure.exit_status
    worker.booted = True
    worker.slot.set_state(IDLE)
    worker.report(b"ready")
    return 0


def _prepare(worker: Worker, server: Server) -> None:
    """Make the process ready to serve: privileges, application, request cycle, listeners.

    The order of the steps is what hook functions and operators rely on; each comment says why a
    step comes where it does. On return ``worker.app`` and ``worker.cycle`` are set, the listeners
    that only this worker has are listening, and the reloader runs. The caller then reports the
    worker as ready. If it raises, the process is half-prepared and must exit; no client has been
    accepted.

    :raises HookFailed: when post_fork or post_worker_init fails.
    :raises CornError: when the certificate, the privileges or the application are not usable.
    :raises Exception: whatever a worker class's own methods let through.
    """
    # First: if this worker has to be killed for booting too long, the report says so.
    worker.slot.set_state(BOOTING)
    worker.log.info("Booting worker with pid: %s", worker.pid)
    own = [listener for listener in worker.listeners if listener.per_worker]
    for listener in own:
        # With the master's privileges: the port may be below 1024, and only sockets of the same
        # user may share an address.
        listener.claim()
    # With the master's privileges too, for hook functions that open what only root may open.
    worker.hooks.call("post_fork", server=server, worker=worker)
    if worker.context.tls is not None:
        # Before anything is given up that a hook may need for reading a key.
        worker.ssl_context = worker.context.tls.context(worker.hooks)
    drop_privileges(worker.cfg)
    set_title("worker", worker.cfg)
    worker.log.close_on_exec()
    if worker.cfg.reload:
        worker.reloader = _make_reloader(worker)
    # Monkey patching and the like, before the first import of the application's modules. The
    # reloader exists by now because it watches what is imported from here on.
    worker.before_boot(worker.cfg, worker.log)
    worker.app = _load_app(worker)
    worker.check_app(worker.app, worker.cfg)
    interface = worker.interface(worker.app)
    worker.app = worker.hooks.chain(
        "corn_wrap_app", "app", worker.app, worker=worker, interface=interface
    )
    # May replace the application and decide on threads, so the slot and the cycle come later.
    worker.prepare()
    _warn_of_ignored(worker)
    if worker.multithread or worker.concurrent_slot:
        worker.slot = worker.slot.shared()
    make_builder = EnvironBuilder if worker.cfg.proxy_protocol == "off" else ProxiedEnvironBuilder
    worker.cycle = RequestCycle(
        worker,
        worker.app,
        builder=make_builder(
            worker.cfg,
            worker.log,
            multithread=worker.multithread,
            socket_names=worker.socket_names,
        ),
        send_file_allowed=worker.cfg.sendfile and worker.ssl_context is None,
        interrupts=worker.interrupts,
    )
    # The worker is complete now, but has no clients yet.
    worker.hooks.call("post_worker_init", worker=worker)
    for listener in own:
        # Not earlier: from now on there are clients that only this worker can answer.
        listener.socket.listen(worker.cfg.backlog)
    if worker.reloader is not None:
        worker.reloader.start()


def _warn_of_ignored(worker: Worker) -> None:
    """Warn of settings without effect on the application; one worker speaks for all of them."""
    if worker.age > 1:
        return
    name = name_of_worker(worker.cfg.worker_class, type(worker))
    for setting in worker.ignored_by_app():
        origin = worker.cfg.given(setting)
        if origin is not None:
            worker.log.warning(
                "%s has no effect on this application with worker class %s (%s)",
                setting,
                name,
                origin,
            )


def _make_reloader(worker: Worker) -> Reloader:
    # lazy: it is for development
    from corn_core.reloading.reloader import Reloader

    return Reloader(worker, partial(worker.report, b"outdated"))


def _load_app(worker: Worker) -> WSGIApp:
    load_app = worker.context.load_app
    return load_app() if worker.reloader is None else worker.reloader.load(load_app)


def _report_failure(worker: Worker, error: CornError) -> None:
    """Tell the master, which logs it: once, however many workers fail in the same way."""
    details = error.details
    if error.__cause__ is not None and not details:
        details = "".join(format_exception(error.__cause__))
    report = {"status": error.exit_status, "message": str(error), "details": details}
    worker.report(b"failed " + json.dumps(report).encode())
