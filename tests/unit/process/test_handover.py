"""Hand over what a master tells its successor, and no other process."""

from __future__ import annotations

import pytest

from corn_core.errors import ConfigError
from corn_core.process.handover import VARIABLE, Handover, is_heir, take_handover

HANDOVER = Handover(10, ((5, "127.0.0.1:8000"), (6, 'unix:/run/ü "a b",\n\udcff')))


def test_it_arrives_as_it_was_sent() -> None:
    environ = {VARIABLE: HANDOVER.encode(11), "PATH": "/bin"}
    environ[VARIABLE].encode("ascii")
    assert is_heir(environ, 11)
    assert take_handover(environ, 11) == HANDOVER
    assert environ == {"PATH": "/bin"}
    assert take_handover(environ, 11) is None and not is_heir(environ, 11)


def test_it_is_not_for_another_process() -> None:
    environ = {VARIABLE: HANDOVER.encode(11)}
    assert not is_heir(environ, 12)
    assert take_handover(environ, 12) is None
    assert environ == {}


@pytest.mark.parametrize(
    "text",
    [
        *("5", "5,6", "[]", "{}", '{"for": 11}', '{"for": 11, "from": 10}'),
        *('{"for": 11, "from": "x", "sockets": []}', '{"for": 11, "from": 10, "sockets": 5}'),
        '{"for": 11, "from": 10, "sockets": [["127.0.0.1:8000"]]}',
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{VARIABLE}: expected .*; remove it$"):
        take_handover({VARIABLE: text}, 11)
