"""The reloader of one worker: watches files, and asks for new workers when they change.

It runs in a thread of the worker, and stops nothing itself: the master forks workers that import
the new code, and tells the old ones to stop when the new ones are ready.
"""

from __future__ import annotations

import os
import sys

# Imported now, before a worker class patches the module. gevent's monkey patching, for example,
# would turn the thread into a greenlet, and an engine that waits in C would block all of them.
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable, Set
from html import escape
from threading import Event
from time import time
from typing import Any

from corn_core.errors import AppLoadError
from corn_core.extensions.drivers import find_reload_engine
from corn_core.interfaces import ReloadEngine, StartResponse, WorkerView, WSGIApp
from corn_core.reloading.files import (
    ImportClock,
    Snapshot,
    expand,
    files_of,
    forget_bytecode,
    module_files,
)

PERIOD = 1.0
"""Seconds after which a worker looks again even if its engine was not told of any change."""

STOP_PATIENCE = 2.0
"""Seconds that a worker waits for the thread when it exits."""


class PollEngine:
    """The engine ``poll``: looks once a second, which works on every kind of file system.

    No engine says what has changed: the reloader finds that out by comparing the files.
    """

    def wait(self, directories: Set[str], stop: Event) -> None:
        stop.wait(PERIOD)


class Reloader:
    """Watches the modules imported after it was made, and extra files.

    It is made in the worker before the application is imported. Modules imported earlier came
    from the master, and would be the same in every new worker.

    :param on_change: called in the reloader's thread when files have changed.
    """

    def __init__(self, worker: WorkerView, on_change: Callable[[], None]) -> None:
        config = worker.cfg
        self._worker = worker
        self._on_change = on_change
        self._log = worker.log
        self._engine: ReloadEngine = find_reload_engine(config.reload_engine)()
        self._patterns = [os.path.abspath(each) for each in config.reload_extra_files]
        self._snapshot = Snapshot()
        for path in expand(self._patterns):
            self._snapshot.add(path)
        self._inherited = frozenset(sys.modules)
        self._clock = ImportClock()
        self._made_at = time()
        self._stop, self._ended = NativeEvent(), NativeEvent()
        self._started = False
        sys.meta_path.insert(0, self._clock)

    def load(self, load_app: Callable[[], WSGIApp]) -> WSGIApp:
        """Load the application; if its code fails, return one that shows the traceback.

        :raises AppLoadError: when the name of the application is wrong, rather than its code.
        """
        try:
            return load_app()
        except AppLoadError as error:
            if not error.details:
                raise
            self._log.error("%s\n%s", error, error.details.rstrip())
            # Now rather than in the thread, because the mistake may be corrected before that.
            for path in files_of(error):
                self._snapshot.add(path, self._made_at)
            return failure_app(str(error), error.details)

    # -- for hook functions and applications -----------------------------------------

    def add_extra_file(self, path: str) -> None:
        pattern = os.path.abspath(path)
        for each in expand([pattern]):
            self._snapshot.add(each)
        self._patterns.append(pattern)

    def get_files(self) -> list[str]:
        return sorted({*self._snapshot.paths, *module_files(self._inherited).values()})

    # -- watching --------------------------------------------------------------------

    def start(self) -> None:
        """Start watching, in a thread that ends with the process at the latest."""
        self._started = True
        # Now rather than in the thread, which may run much later: from here on clients are served,
        # and what is saved while they are must be noticed whatever its time stamp says.
        self._watch_new()
        start_new_thread(self._run, ())

    def stop(self) -> None:
        """Stop watching, and wait for an engine whose code must not run while Python shuts down."""
        self._stop.set()
        if self._started:
            self._ended.wait(STOP_PATIENCE)

    def _watch_new(self) -> None:
        """Watch the files that match a pattern now, or that have been imported."""
        for path in expand(self._patterns):
            self._snapshot.add_created(path)
        for name, path in module_files(self._inherited).items():
            self._snapshot.add(path, self._clock.asked.get(name))

    def _run(self) -> None:
        try:
            while self._worker.alive and not self._stop.is_set():
                self._watch_new()
                if changed := self._snapshot.changed():
                    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
                    for path in changed:
                        forget_bytecode(path)
                    self._log.info("Worker reloading: %s%s modified", min(changed), more)
                    self._on_change()
                self._wait()
        except Exception:
            # Broad: otherwise nothing would report that changes are no longer noticed.
            self._log.exception("The reloader has failed; changes are no longer noticed")
        finally:
            self._ended.set()

    def _wait(self) -> None:
        directories = {os.path.dirname(path) for path in self._snapshot.paths}
        try:
            self._engine.wait(set(filter(os.path.isdir, directories)), self._stop)
        except Exception as error:
            # Broad: the engine may be a third party's. The system may be out of watches, say.
            self._log.warning("The reload engine has failed (%s); polling instead", error)
            self._engine = PollEngine()


class NativeEvent(Event):
    """An event for threads of the operating system, even if the threading module is patched.

    threading.Event makes a lock for each wait; gevent's lock would give the thread a hub of its
    own, where it has been seen to hang. This one can be set only once.
    """

    def __init__(self) -> None:
        # The base is not initialised: the lock is all the state, held until the event is set.
        self._held = allocate_lock()
        self._held.acquire()
        self._is_set = False

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        if not self._is_set:
            self._is_set = True
            self._held.release()

    def wait(self, timeout: float | None = None) -> bool:
        if self._held.acquire(timeout=-1 if timeout is None else timeout):
            self._held.release()
        return self._is_set


_PAGE = """<!DOCTYPE html>
<html>
<head><meta charset="utf-8"><title>The application cannot be loaded</title></head>
<body>
<h1>The application cannot be loaded</h1>
<p>{message}</p>
<pre>{details}</pre>
<p>corn tries again as soon as one of the files is saved.</p>
</body>
</html>
"""


def failure_app(message: str, details: str) -> WSGIApp:
    """Make an application that answers every request with a message and a traceback."""
    text = _PAGE.format(message=escape(message), details=escape(details))
    # A file name need not be valid text in any encoding.
    body = text.encode("utf-8", "backslashreplace")
    headers = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
    ]

    def application(environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
        start_response("500 Internal Server Error", headers)
        return [body]

    return application
