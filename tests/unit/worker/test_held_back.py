"""Signals that wait while code runs that would swallow what their handlers raise."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from corn_core.worker.signals import held_back


class Told(Exception):
    pass


@pytest.fixture
def told() -> Iterator[None]:
    def tell(*_: object) -> None:
        raise Told

    before = signal.signal(signal.SIGTERM, tell)
    yield
    signal.signal(signal.SIGTERM, before)


def test_a_signal_arrives_afterwards(told: None) -> None:
    steps = []
    with pytest.raises(Told), held_back():
        os.kill(os.getpid(), signal.SIGTERM)
        steps.append("all")
    assert steps == ["all"]
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_what_was_blocked_stays_blocked(told: None) -> None:
    with held_back():
        with held_back():
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        assert signal.SIGTERM in signal.sigpending()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
