"""``python -m corn_testkit.describe -k NAME``: what a worker class says of itself, as JSON.

In a process of its own, since some workers import libraries that change the process.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import threading
import time
from functools import partial

from corn_core.assemble import Assembly, registry_of
from corn_core.extensions.manager import load_plugins
from corn_core.findings import Review
from corn_core.plugin import CornError
from corn_core.settings.sources import resolve


def _ground() -> list[object]:
    """List what a fork server needs as it is: patched, or with threads, it would not work."""
    handlers = [signal.getsignal(number) for number in sorted(signal.valid_signals())]
    functions = [os.fork, os.waitpid, os.read, os.write, select.select, socket.socket, time.sleep]
    return [*functions, *handlers, threading.Thread.start, _threads()]


def _threads() -> int:
    try:
        return len(os.listdir("/proc/self/task"))
    except FileNotFoundError:
        return threading.active_count()  # not Linux


def _imported() -> list[str]:
    """List the modules in the order of their import, without those that no import finds."""
    found = [(name, getattr(module, "__spec__", None)) for name, module in sys.modules.items()]
    return [name for name, spec in found if spec is not None and spec.name == name]


def describe(argv: list[str]) -> dict[str, object]:
    """Describe the class that the server would use with these arguments.

    :raises CornError: when the server could not start with them.
    """
    ground, known = _ground(), set(sys.modules)
    plugins = load_plugins()
    registry = registry_of(plugins)
    arguments = [*argv, "--check-config", "--log-level=critical", "--bind=127.0.0.1:0"]
    read = partial(resolve, registry, arguments, dict(os.environ))
    review = Review(plugins.explain)
    wiring = Assembly(plugins, lambda directory: read(directory, None, review)).configure()
    worker_class = wiring.worker_class
    modules = [name for name in _imported() if name not in known]
    return {
        "name": wiring.config.worker_class,
        "class_name": f"{worker_class.__module__}.{worker_class.__qualname__}",
        "capabilities": sorted(worker_class.capabilities),
        "multithread": worker_class.multithread,
        "modules": modules if _ground() == ground else [],
    }


if __name__ == "__main__":
    try:
        print(json.dumps(describe(sys.argv[1:])))
    except CornError as error:
        sys.exit(f"error: {error}")
