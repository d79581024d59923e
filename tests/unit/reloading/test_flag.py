"""The event that threads of the operating system wait for."""

from __future__ import annotations

from _thread import start_new_thread
from time import monotonic

from corn_core.reloading.reloader import NativeEvent


def test_waiting_ends_when_it_is_set() -> None:
    event, ended = NativeEvent(), NativeEvent()

    def run() -> None:
        if event.wait(30):
            ended.set()

    start_new_thread(run, ())
    assert not event.is_set()
    event.set()
    assert ended.wait(30)


def test_waiting_ends_after_its_time() -> None:
    event = NativeEvent()
    before = monotonic()
    assert not event.wait(0.01)
    assert monotonic() >= before + 0.01


def test_it_stays_set() -> None:
    event = NativeEvent()
    event.set()
    event.set()
    assert [event.wait(), event.wait(1), event.is_set()] == [True, True, True]
