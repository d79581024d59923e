"""Finds corn's counterparts of Gunicorn's modules, where Gunicorn is not installed.

There is no package named ``gunicorn`` on disk that another program could import by mistake. An
import finder, asked last, answers for that name in this process alone, with the directory
``counterparts`` beside this module; the usual finders then find the modules in it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

NAME = "gunicorn"

COUNTERPARTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "counterparts")
_FILE = os.path.join(COUNTERPARTS, "__init__.py")

MISSING = {
    "gunicorn.asgi": "corn-asgi serves ASGI applications: corn -k asgi",
    "gunicorn.ctl": "corn-control has a control socket and its client, cornctl",
    "gunicorn.dirty": "corn has no pool of processes for long tasks; use a task queue",
    "gunicorn.http": "corn_core.http is the parser, corn_core.wsgi the request cycle; neither is"
    " to be patched",
    "gunicorn.http2": "corn speaks HTTP/1.1 and 1.0",
    "gunicorn.uwsgi": "corn speaks HTTP, not the uwsgi protocol",
    "gunicorn.pidfile": "the setting pidfile is all there is; corn_core.process.pidfile has it",
    "gunicorn.reloader": "a reload engine of your own is a plugin, see Writing plugins",
    "gunicorn.sock": "corn_core.net has the listeners; hook functions find them in"
    " server.LISTENERS",
    "gunicorn.systemd": "corn notifies a service manager by itself",
    "gunicorn.debug": "the setting spew prints every line that is executed",
}
"""Modules without a counterpart, and what to do instead."""


class CounterpartFinder:
    """Answers for ``gunicorn``, and says what is not there of it."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the package, or raise for a module that has no counterpart.

        :raises ModuleNotFoundError: which names the replacement.
        """
        if name == NAME:
            # lazy: most servers never import it
            from importlib.util import spec_from_file_location

            return spec_from_file_location(name, _FILE, submodule_search_locations=[COUNTERPARTS])
        if name.startswith(f"{NAME}.") and is_ours():
            instead = MISSING.get(name, "see Coming from Gunicorn in corn's documentation")
            raise ModuleNotFoundError(f"{name} has no counterpart in corn: {instead}", name=name)
        return None


def is_ours() -> bool:
    """Tell whether the package that has been imported is the counterpart."""
    return getattr(sys.modules.get(NAME), "__file__", None) == _FILE


def install() -> None:
    """Answer imports of ``gunicorn`` from now on, unless the real one is found first."""
    if not any(isinstance(each, CounterpartFinder) for each in sys.meta_path):
        sys.meta_path.append(CounterpartFinder())


def remove() -> None:
    """Answer no further imports, and forget what was imported."""
    sys.meta_path[:] = [each for each in sys.meta_path if not isinstance(each, CounterpartFinder)]
    if is_ours():
        for name in [each for each in sys.modules if f"{each}.".startswith(f"{NAME}.")]:
            del sys.modules[name]
