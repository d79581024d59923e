"""Says what is not there of Gunicorn, for the counterparts of its modules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn


def absent(module: str, names: Mapping[str, str]) -> Callable[[str], NoReturn]:
    """Make the ``__getattr__`` of a module.

    :param names: what to do in the place of each name that has no counterpart.
    """

    def look_up(name: str) -> NoReturn:
        if name in names:
            # Not an AttributeError: a from-import would replace its text.
            raise ImportError(f"{module}.{name} has no counterpart in corn: {names[name]}")
        raise AttributeError(f"module {module!r} has no attribute {name!r} in corn")

    return look_up


def worker(name: str) -> Any:
    """Return the class of an installed worker.

    :raises ImportError: when it is not installed.
    """
    # lazy: only for configurations that import worker classes
    from corn_core.extensions.drivers import find_worker_class
    from corn_core.plugin import ExtensionError

    try:
        return find_worker_class(name)
    except ExtensionError as error:
        raise ImportError(str(error)) from error
