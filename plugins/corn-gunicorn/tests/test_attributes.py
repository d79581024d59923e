"""Attributes of Gunicorn's objects in hook functions."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from corn_core.arbiter.server import ServerState
from corn_core.extensions.hints import ATTRIBUTES
from corn_core.worker import Worker
from corn_gunicorn.attributes import DEEPER
from corn_gunicorn.explain import explain


def post_fork(arbiter: Any, w: Any) -> None:
    arbiter.log.info("%s", w.tmp)
    w.tmp.notify()
    arbiter.START_CTX["cwd"] = w.app.callable


def post_request(worker: Any, req: Any, environ: Any, resp: Any) -> None:
    worker.log.info(req.remote_addr, environ.START_CTX, resp.status)

    def inner() -> None:
        resp.sock.close()

    inner()


def found(name: str, function: Any) -> list[str]:
    return [each.text for each in explain(name, function)]


def test_attributes_are_found_by_the_place_of_the_argument() -> None:
    assert found("post_fork", post_fork) == [
        "post_fork: server.START_CTX is not there in corn",
        "post_fork: worker.app.callable is not there in corn",
    ]
    assert found("post_request", post_request) == [
        "post_request: req.remote_addr is not there in corn",
        "post_request: resp.sock is not there in corn",
    ]


def test_each_says_what_to_do() -> None:
    (first, second) = explain("post_fork", post_fork)
    assert first.level == "error" and first.instead == ATTRIBUTES["server.START_CTX"]
    assert second.instead == DEEPER["worker.app.callable"]


def test_decorated_functions_are_read() -> None:
    @functools.wraps(post_fork)
    def wrapper(*arguments: Any) -> None:
        post_fork(*arguments)

    assert found("post_fork", wrapper) == found("post_fork", post_fork)


@pytest.mark.parametrize("function", [print, functools.partial(post_fork, 1), int])
def test_what_has_no_source_is_left_alone(function: Any) -> None:
    assert found("post_fork", function) == []


@pytest.mark.parametrize("path", ATTRIBUTES)
def test_none_of_them_is_there(path: str) -> None:
    role, name = path.split(".")
    kind: Any = {"server": ServerState, "worker": Worker}[role]
    assert not any(name in vars(each) for each in kind.__mro__)


@pytest.mark.parametrize("path", ["server.spawn_worker", "worker.load_wsgi"])
def test_using_one_says_the_same(path: str) -> None:
    role, name = path.split(".")
    kind: Any = {"server": ServerState, "worker": Worker}[role]
    with pytest.raises(AttributeError) as caught:
        getattr(kind.__new__(kind), name)
    assert str(caught.value) == (
        f"{kind.__name__!r} object has no attribute {name!r}: {ATTRIBUTES[path]}"
    )


def test_other_attributes_are_missed_as_ever() -> None:
    worker = Worker.__new__(Worker)
    assert not hasattr(worker, "no_such_thing")
    with pytest.raises(AttributeError, match=r"^'Worker' object has no attribute 'nothing'$"):
        worker.nothing  # type: ignore[attr-defined]  # noqa: B018
