"""Finds out what an application is, and says what to do with one that is not ASGI 3."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

from corn_core.plugin import AppLoadError, application_traceback, one_line
from corn_core.typing import Config
from corn_core.worker import ARGUMENTS, ASGI_ARGUMENTS, accepts, is_asynchronous, parse_uri


def check_application(app: Any, config: Config) -> None:
    """Refuse what cannot be called as an ASGI 3 application.

    :raises AppLoadError: which says what it is instead, as far as that can be known.
    """
    if is_deferred(app, config) or accepts(app, ASGI_ARGUMENTS):
        return
    name = config.wsgi_app
    if accepts(app, ARGUMENTS):
        raise AppLoadError(
            f"{name!r} is a WSGI application, and worker class {config.worker_class!r} serves ASGI;"
            f" serve it with 'corn -k gthread {name}', or wrap it: a2wsgi.WSGIMiddleware(app)"
        )
    raise AppLoadError(
        f"{name!r}: it cannot be called with three arguments, scope, receive and send, as an"
        f" ASGI application is{_hint(app, name)}"
    )


def _hint(app: Any, name: str) -> str:
    target = parse_uri(name)
    if target.call is None and accepts(app, 0):
        return f"; did you mean '{target.module}:{target.name}()'?"
    if accepts(app, 1):
        return (
            "; an application of ASGI 2, which takes the scope alone, has to be wrapped:"
            " asgiref.compatibility.guarantee_single_callable(app)"
        )
    return ""


def is_deferred(app: Any, config: Config) -> bool:
    """Tell whether it is an asynchronous factory, called in the name, that has yet to run."""
    if not isinstance(app, partial) or not is_asynchronous(app) or not config.wsgi_app:
        return False
    return parse_uri(config.wsgi_app).call is not None


async def make_application(app: Any, config: Config) -> Any:
    """Run an asynchronous factory, and return the application it makes.

    :raises AppLoadError: when that fails, or what it makes is not an application.
    """
    name = config.wsgi_app
    try:
        made = await app()
    except Exception as error:
        # Broad, because the application may raise anything.
        text = f"{name!r}: making the application failed: {one_line(error)}"
        raise AppLoadError(text, application_traceback(error)) from None
    if inspect.isawaitable(made) or not callable(made):
        raise AppLoadError(f"{name!r} gives {type(made).__name__}, not an ASGI application")
    check_application(made, config)
    return made
