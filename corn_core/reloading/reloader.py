"""The reloader of one worker: it watches files, and asks for another worker when they change.

It runs in a thread of the worker. Nothing is taken down by it: the master forks workers that
import the new code, and tells the old ones to go when these are ready.
"""

from __future__ import annotations

import os
import sys

# Taken now, before a worker class replaces what the module has: gevent's monkey patching, say,
# would make a greenlet of the thread, and an engine that waits in C would hold all of them up.
from _thread import start_new_thread
from collections.abc import Callable
from time import time
from typing import Protocol

from corn_core.errors import AppLoadError
from corn_core.extensions.drivers import find_reload_engine
from corn_core.interfaces import Logger, WSGIApp
from corn_core.reloading.engines import Engine, PollEngine
from corn_core.reloading.files import (
    ImportClock,
    expand,
    files_of,
    forget_bytecode,
    module_files,
)
from corn_core.reloading.flag import NativeEvent
from corn_core.reloading.page import failure_app
from corn_core.reloading.snapshot import Snapshot
from corn_core.settings.config import Config

STOP_PATIENCE = 2.0
"""Seconds that a worker waits for the thread at its end."""


class ReloadedWorker(Protocol):
    """What the reloader asks of its worker."""

    alive: bool
    cfg: Config
    log: Logger

    def report(self, line: bytes) -> None: ...


class Reloader:
    """Watches the modules that are imported after it was made, and extra files.

    It is made in the worker, before the application is imported; what was imported earlier came
    from the master, and would be the same in every new worker.
    """

    def __init__(self, worker: ReloadedWorker) -> None:
        config = worker.cfg
        self._worker = worker
        self._log = worker.log
        self._engine: Engine = find_reload_engine(config.reload_engine)()
        self._patterns = [os.path.abspath(each) for each in config.reload_extra_files]
        self._snapshot = Snapshot()
        for path in expand(self._patterns):
            self._snapshot.add(path)
        self._inherited = frozenset(sys.modules)
        self._clock = ImportClock()
        self._made_at = time()
        self._saved_meanwhile: list[str] = []
        self._stop, self._ended = NativeEvent(), NativeEvent()
        self._started = False
        sys.meta_path.insert(0, self._clock)

    def load(self, load_app: Callable[[], WSGIApp]) -> WSGIApp:
        """The application; or, if its code fails, one that shows the traceback.

        :raises AppLoadError: it is not its code that is wrong, but how it is named.
        """
        try:
            return load_app()
        except AppLoadError as error:
            if not error.details:
                raise
            self._log.error("%s\n%s", error, error.details.rstrip())
            # Now, and not in the first sweep: the mistake may be put right before that.
            for path in files_of(error) - self._snapshot.paths:
                if self._snapshot.add(path, self._made_at):
                    self._saved_meanwhile.append(path)
            return failure_app(str(error), error.details)

    # -- for hook functions and applications -----------------------------------------

    def add_extra_file(self, path: str) -> None:
        """Watch one more file, or the files of one more pattern."""
        pattern = os.path.abspath(path)
        for each in expand([pattern]) - self._snapshot.paths:
            self._snapshot.add(each)
        self._patterns.append(pattern)

    def get_files(self) -> list[str]:
        """The files that are watched, in alphabetical order."""
        return sorted({*self._snapshot.paths, *(f for _, f in self._modules())})

    # -- watching --------------------------------------------------------------------

    def start(self) -> None:
        """Begin to watch, in a thread that ends with the process at the latest."""
        self._started = True
        start_new_thread(self._run, ())

    def stop(self) -> None:
        """Watch no longer. An engine may be in code that must not be there at Python's end."""
        self._stop.set()
        if self._started:
            self._ended.wait(STOP_PATIENCE)

    def sweep(self) -> list[str]:
        """Look at all files once; those that have changed since the last time."""
        changed = [path for path in self._snapshot.paths if self._snapshot.changed(path)]
        # Those that nobody has looked at yet. One that matches a pattern has just been made.
        for path in expand(self._patterns):
            if path not in self._snapshot:
                self._snapshot.add(path)
                changed.append(path)
        for name, path in self._modules():
            if path not in self._snapshot and self._snapshot.add(path, self._clock.asked.get(name)):
                changed.append(path)
        changed += self._saved_meanwhile
        self._saved_meanwhile.clear()
        return changed

    def _modules(self) -> list[tuple[str, str]]:
        # A copy, since other threads import meanwhile.
        modules = sys.modules.copy()
        own = {name: modules[name] for name in modules.keys() - self._inherited}
        return list(module_files(own))

    def _run(self) -> None:
        try:
            while self._worker.alive and not self._stop.is_set():
                changed = self.sweep()
                if changed:
                    self._tell(changed)
                self._wait()
        except Exception:
            # Broad: nobody else would say that changes are not seen any longer.
            self._log.exception("The reloader has failed; changes are not noticed any more")
        finally:
            self._ended.set()

    def _tell(self, changed: list[str]) -> None:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        for path in changed:
            forget_bytecode(path)
        self._log.info("Worker reloading: %s%s modified", min(changed), more)
        self._worker.report(b"outdated")

    def _wait(self) -> None:
        directories = {os.path.dirname(path) for path in self._snapshot.paths}
        try:
            self._engine.wait(set(filter(os.path.isdir, directories)), self._stop)
        except Exception as error:
            # Broad: the engine is anybody's. The system may be out of watches, for example.
            self._log.warning("The reload engine has failed (%s); polling instead", error)
            self._engine = PollEngine()
