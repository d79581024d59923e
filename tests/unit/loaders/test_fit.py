"""Objects that can be called as a WSGI application is must not be refused by mistake."""

from __future__ import annotations

import functools
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import pytest

from corn_core.config import Config
from corn_core.errors import AppLoadError
from corn_core.loaders.fit import accepts, check_call


def app(environ: Any, start_response: Any) -> Any: ...
def more(environ: Any, start_response: Any, debug: bool = False) -> Any: ...
def everything(*args: Any, **kwargs: Any) -> Any: ...
def nothing() -> Any: ...
def factory(config: Any = None) -> Any: ...
def two_defaults(config: Any = None, debug: bool = False) -> Any: ...
def one(name: str) -> Any: ...
def three(scope: Any, receive: Any, send: Any) -> Any: ...
def rest(first: Any, second: Any, third: Any, *others: Any) -> Any: ...
def keyword(environ: Any, start_response: Any, *, key: Any) -> Any: ...
def keyword_default(environ: Any, start_response: Any, *, key: Any = None) -> Any: ...


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    """As werkzeug's Request.application: takes what WSGI passes, and looks like the function."""

    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function()

    return wrapper


def undecorated(function: Callable[..., Any]) -> Callable[..., Any]:
    """Looks like a WSGI application, and is none."""

    @functools.wraps(function)
    def wrapper() -> Any:
        return function

    return wrapper


class Iterable:
    """PEP 3333's example: the class is the application, and its objects are the responses."""

    def __init__(self, environ: Any, start_response: Any) -> None: ...


class Instance:
    def __call__(self, environ: Any, start_response: Any) -> Any: ...
    def method(self, environ: Any, start_response: Any) -> Any: ...
    def misfit(self) -> Any: ...
    @classmethod
    def of_class(cls, environ: Any, start_response: Any) -> Any: ...
    @staticmethod
    def static(environ: Any, start_response: Any) -> Any: ...


class Static:
    @staticmethod
    def __call__(environ: Any, start_response: Any) -> Any: ...


class Made:
    def __new__(cls, *args: Any) -> Any:
        return object.__new__(cls)


class Meta(type):
    def __call__(cls, *args: Any) -> Any:
        return None


class ByMeta(metaclass=Meta):
    def __init__(self) -> None: ...


class Plain:
    pass


class Unready:
    """A class whose objects are applications."""

    def __init__(self) -> None: ...
    def __call__(self, environ: Any, start_response: Any) -> Any: ...


class Proxy:
    """As werkzeug's LocalProxy: claims to be what it stands for."""

    __code__ = nothing.__code__

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(nothing)

    def __call__(self, *args: Any) -> Any: ...


class Dispatcher:
    """Tornado's and aiohttp's applications have a __call__ of this kind."""

    def __call__(self, request: Any) -> Any: ...


signed = partial(everything)
signed.__signature__ = None  # type: ignore[attr-defined]

FITS = [
    *(app, more, everything, two_defaults, keyword_default, decorated(nothing)),
    *(Iterable, Instance(), Instance().method, Instance.of_class, Instance.static, Static()),
    *(Made, ByMeta, Proxy(), partial(app), partial(three, 1), partial(nothing), signed, Mock()),
    *(dict, print, len, "".join, SimpleNamespace),
]

MISFITS = [
    *(nothing, factory, one, three, rest, keyword, undecorated(app), lambda: None),
    *(Plain, Unready, Instance().misfit, Dispatcher(), Instance.method),
]


def named(candidate: object) -> str:
    return str(getattr(candidate, "__qualname__", type(candidate).__name__))


@pytest.mark.parametrize("candidate", FITS, ids=named)
def test_what_takes_two_arguments_or_does_not_tell(candidate: object) -> None:
    assert accepts(candidate, 2)


@pytest.mark.parametrize("candidate", MISFITS, ids=named)
def test_what_cannot_be_called_with_two_arguments(candidate: Any) -> None:
    assert not accepts(candidate, 2)
    # The judgement is Python's own.
    with pytest.raises(TypeError):
        candidate({}, print)


def config(uri: str | None, name: str) -> Config:
    return cast(Config, SimpleNamespace(wsgi_app=uri, default_proc_name=name))


@pytest.mark.parametrize(
    ("found", "uri", "hint"),
    [
        (factory, "site:create_app", "; did you mean 'site:create_app()'?"),
        (factory, "site", "; did you mean 'site:application()'?"),
        (one, "site:web.create_app", "; did you mean 'site:web.create_app(...)'?"),
        (Unready, "site:App", "; did you mean 'site:App()'?"),
        (factory, "site:make('x')", ""),
    ],
)
def test_the_message_says_what_was_probably_meant(found: object, uri: str, hint: str) -> None:
    with pytest.raises(AppLoadError) as caught:
        check_call(found, config(uri, uri))
    assert str(caught.value) == (
        f"{uri!r}: it cannot be called with two arguments, environ and start_response, as a WSGI"
        f" application is{hint}"
    )


@pytest.mark.parametrize("uri", [None, "not: a target"])
def test_what_another_loader_found_gets_no_hint(uri: str | None) -> None:
    with pytest.raises(AppLoadError) as caught:
        check_call(factory, config(uri, "development.ini"))
    assert "did you mean" not in str(caught.value)


def test_an_application_passes() -> None:
    check_call(app, config("site:app", "site:app"))
