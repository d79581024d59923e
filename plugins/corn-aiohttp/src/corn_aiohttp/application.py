"""Finds out what an application is: an aiohttp Application, a factory of one, or WSGI."""

from __future__ import annotations

import inspect
from typing import Any

from aiohttp import web

from corn_core.plugin import AppLoadError, application_traceback
from corn_core.worker import is_asynchronous


def is_native(app: Any) -> bool:
    """Tell whether aiohttp's own server should serve it; otherwise it is a WSGI application."""
    if isinstance(app, web.Application) or is_factory(app):
        return True
    return is_asynchronous(app) and not _is_asgi(app)


def _is_asgi(app: Any) -> bool:
    """Tell whether it can only be called like an ASGI application, which aiohttp cannot serve."""
    try:
        signature = inspect.signature(app)
    except (TypeError, ValueError):
        return False
    return _takes(signature, "scope", "receive", "send") and not _takes(signature)


def is_factory(app: Any) -> bool:
    """Tell whether it can be called without arguments, but not like a WSGI application."""
    try:
        signature = inspect.signature(app)
    except (TypeError, ValueError):
        return False  # a callable in C without a signature
    return _takes(signature) and not _takes(signature, "environ", "start_response")


def _takes(signature: inspect.Signature, *arguments: object) -> bool:
    try:
        signature.bind(*arguments)
    except TypeError:
        return False
    return True


async def make_application(uri: str, app: Any) -> web.Application:
    """Return the Application that ``app`` is or makes.

    :param uri: the operator's name for it.
    :raises AppLoadError: when there is none.
    """
    if not isinstance(app, web.Application):
        try:
            app = app()
            if inspect.isawaitable(app):
                app = await app
        except Exception as error:
            # Broad, because the application may raise anything.
            raise failure(uri, "making the application", error) from None
    if not isinstance(app, web.Application):
        raise AppLoadError(
            f"{uri!r} gives an object of type {type(app).__name__}, and no aiohttp.web.Application"
        )
    return app


def failure(uri: str, doing: str, error: Exception) -> AppLoadError:
    """Make the error that tells the operator how an application failed."""
    text = f"{type(error).__name__}: {error}"
    return AppLoadError(f"{uri!r}: {doing} failed: {text}", application_traceback(error))
