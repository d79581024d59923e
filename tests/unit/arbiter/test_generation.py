"""Tell which generation is in force, and whose sockets may be closed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from corn_core.arbiter.generation import Generation, Generations
from corn_core.net import Listener, TcpAddress, bind_all
from tests.unit.arbiter.fixtures import Lines, app, loaded


@pytest.fixture
def listeners() -> Iterator[list[Listener]]:
    opened = bind_all([TcpAddress("127.0.0.1", 0)] * 3, 1, Lines())
    yield opened
    for listener in opened:
        listener.close()


def generation(number: int, *listeners: Listener) -> Generation:
    return Generation(number, loaded(), listeners, lambda: app)


def opened(first: Generation) -> Generations:
    generations = Generations(first.loaded)
    assert generations.begin(first) == []
    return generations


def test_before_the_server_listens_there_is_nothing_to_close_or_to_return_to() -> None:
    started = loaded()
    generations = Generations(started)
    assert generations.current.loaded is started
    assert generations.listeners == []
    assert generations.next_number == 1
    generations.begin(generation(1))
    assert generations.fallback is None


def test_the_old_sockets_are_kept_until_the_new_generation_serves(
    listeners: list[Listener],
) -> None:
    kept, dropped, new = listeners
    first, second = generation(1, kept, dropped), generation(2, kept, new)
    generations = opened(first)
    generations.prove()
    assert generations.begin(second) == []
    assert (generations.current, generations.fallback) == (second, first)
    assert generations.listeners == [kept, new, dropped]
    assert generations.prove() == [dropped]
    assert generations.fallback is None
    assert generations.prove() == []


def test_a_generation_that_fails_gives_way_to_the_last_that_served(
    listeners: list[Listener],
) -> None:
    kept, dropped, new = listeners
    first = generation(1, kept, dropped)
    generations = opened(first)
    generations.prove()
    generations.begin(generation(2, kept, new))
    assert generations.revert() == [new]
    assert generations.current is first
    assert generations.next_number == 3, "a number that failed workers had is not used again"
    generations.begin(generation(3, kept))
    assert generations.fallback is first, "it has been proven for good"


def test_a_generation_that_never_served_is_nothing_to_return_to(
    listeners: list[Listener],
) -> None:
    a, b, c = listeners
    first, second, third = generation(1, a), generation(2, b), generation(3, c)
    generations = opened(first)
    generations.prove()
    generations.begin(second)
    assert generations.begin(third) == [b]
    assert generations.fallback is first
    assert generations.revert() == [c]


def test_nothing_is_lost_by_a_reload_before_the_first_worker_serves(
    listeners: list[Listener],
) -> None:
    a, b, _ = listeners
    generations = opened(generation(1, a))
    assert generations.begin(generation(2, b)) == [a]
    assert generations.fallback is None
    with pytest.raises(ValueError, match="no generation to return to"):
        generations.revert()
