"""The plugin: answers imports of ``gunicorn``, and explains what only Gunicorn has.

Every server with the plugin installed imports this module; what it needs to explain something is
imported when there is something to explain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from corn_core.plugin import hookimpl
from corn_gunicorn.finder import install, is_ours

if TYPE_CHECKING:
    from corn_core.plugin import Finding, Setting


@hookimpl
def corn_settings() -> tuple[Setting, ...]:
    """Declare no settings, and answer imports: this is the last call before a config file runs."""
    install()
    return ()


@hookimpl
def corn_worker_class(name: Any) -> Any:
    return _find("worker_class", name)


@hookimpl
def corn_logger_class(name: Any) -> Any:
    return _find("logger_class", name)


@hookimpl
def corn_explain(name: str, value: Any) -> Sequence[Finding]:
    # lazy: few servers have anything to explain
    from corn_gunicorn.explain import explain

    return explain(name, value)


def _find(setting: str, name: Any) -> Any:
    """Find a class, and refuse one that was written for Gunicorn and that corn would not call."""
    if not is_ours() or (isinstance(name, str) and "." not in name):
        return None  # nothing of Gunicorn's has been imported, or it is an installed driver
    # lazy: few configurations have classes of their own
    from corn_gunicorn.classes import find

    return find(setting, name)
