"""What an application's text may name: an Application, something that gives one, or WSGI."""

from __future__ import annotations

import inspect
from typing import Any

from aiohttp import web

from corn_core.errors import AppLoadError
from corn_core.frames import application_traceback
from corn_core.loaders.wsgi import is_asynchronous


def is_native(app: Any) -> bool:
    """Whether aiohttp's own server is to serve it; else it is a WSGI application."""
    return isinstance(app, web.Application) or is_asynchronous(app) or is_factory(app)


def is_factory(app: Any) -> bool:
    """Whether it can be called with nothing, and not as a WSGI application is called."""
    try:
        signature = inspect.signature(app)
    except (TypeError, ValueError):
        return False  # a callable in C, which does not say
    return _takes(signature) and not _takes(signature, "environ", "start_response")


def _takes(signature: inspect.Signature, *arguments: object) -> bool:
    try:
        signature.bind(*arguments)
    except TypeError:
        return False
    return True


async def make_application(uri: str, app: Any) -> web.Application:
    """The Application that ``app`` is or gives.

    :param uri: how the operator named it.
    :raises AppLoadError: when there is none.
    """
    if not isinstance(app, web.Application):
        try:
            app = app()
            if inspect.isawaitable(app):
                app = await app
        except Exception as error:
            # Broad, because it is anybody's code.
            raise failure(uri, "making the application", error) from None
    if not isinstance(app, web.Application):
        raise AppLoadError(
            f"{uri!r} gives an object of type {type(app).__name__}, and no aiohttp.web.Application"
        )
    return app


def failure(uri: str, doing: str, error: Exception) -> AppLoadError:
    """What to tell the operator of an application that failed."""
    text = f"{type(error).__name__}: {error}"
    return AppLoadError(f"{uri!r}: {doing} failed: {text}", application_traceback(error))
