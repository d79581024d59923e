"""Decides whether an object can be called like a WSGI application: with environ and start_response.

What counts is the code that the call would run. ``inspect.signature`` answers another question:
it follows ``__wrapped__`` and believes ``__signature__``, which decorators copy from functions
that take other arguments. Where there is no such code (functions of C, ``functools.partial``,
proxies, metaclasses) the object gets the benefit of the doubt.
"""

from __future__ import annotations

from inspect import CO_VARARGS, getattr_static
from types import FunctionType, MethodType

from corn_core.config import Config
from corn_core.errors import AppLoadError
from corn_core.loaders.target import parse_uri

ARGUMENTS = 2
"""environ and start_response (PEP 3333)."""

ASGI_ARGUMENTS = 3
"""scope, receive and send."""


def refuse_asgi(app: object, config: Config) -> None:
    """Refuse what can only be called like an ASGI application.

    :raises AppLoadError: which says what to type instead.
    """
    if accepts(app, ASGI_ARGUMENTS) and not accepts(app, ARGUMENTS):
        name = config.wsgi_app
        raise AppLoadError(
            f"{name!r} is an ASGI application, and worker class {config.worker_class!r} serves"
            f" WSGI; serve it with 'corn -k asgi {name}' (pip install corn-asgi)"
        )


def check_call(app: object, config: Config) -> None:
    """Refuse an application that cannot be called with environ and start_response.

    :raises AppLoadError: which asks whether the parentheses of a factory were forgotten.
    """
    if accepts(app, ARGUMENTS):
        return
    name = config.wsgi_app or config.default_proc_name
    hint = ""
    # Otherwise it is another loader's, and what it is called may be anything.
    if config.wsgi_app == config.default_proc_name:
        target = parse_uri(name)
        if target.call is None:
            arguments = "" if accepts(app, 0) else "..."
            hint = f"; did you mean '{target.module}:{target.name}({arguments})'?"
    raise AppLoadError(
        f"{name!r}: it cannot be called with two arguments, environ and start_response, as a WSGI"
        f" application is{hint}"
    )


def accepts(app: object, count: int) -> bool:
    """Tell whether so many positional arguments fit; True as well when that cannot be known."""
    function, bound = _called(app)
    if function is None:
        return True
    code = function.__code__
    keyword_only = code.co_varnames[code.co_argcount :][: code.co_kwonlyargcount]
    if set(keyword_only) - set(function.__kwdefaults__ or ()):
        return False
    least = code.co_argcount - len(function.__defaults__ or ())
    at_most = count + bound <= code.co_argcount or bool(code.co_flags & CO_VARARGS)
    return at_most and least <= count + bound


def _called(app: object) -> tuple[FunctionType | None, int]:
    """Find the function that a call runs, and how many arguments the call itself adds."""
    # type() rather than isinstance(): proxies claim to be of the class of what they stand for.
    kind: type = type(app)
    found: object = app
    if isinstance(app, MethodType) and kind is MethodType:
        found = app.__func__
    elif kind is type:
        # What makes the object, unless __new__ may have its own opinion on the arguments.
        made = getattr_static(app, "__new__") is getattr_static(object, "__new__")
        found = getattr_static(app, "__init__") if made else None
        found = _no_arguments if found is getattr_static(object, "__init__") else found
    elif kind is not FunctionType:
        found = getattr_static(kind, "__call__", None)
    if isinstance(found, FunctionType) and type(found) is FunctionType:
        return found, int(kind is not FunctionType)
    return None, 0


def _no_arguments(self: object) -> None:
    """Stands for what ``object()`` does."""
