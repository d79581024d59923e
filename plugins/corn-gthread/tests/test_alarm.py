"""The alarm that wakes the watcher: by a timer of the kernel, or by naps."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from corn_gthread.alarm import Alarm, NapAlarm, TimerAlarm, make_alarm
from corn_testkit.waiting import wait_for

ALARMS: list[Callable[[], Alarm]] = [NapAlarm]
_best = make_alarm()
_best.close()
if isinstance(_best, TimerAlarm):
    ALARMS.append(TimerAlarm)


class Watcher:
    """A thread that waits for the alarm again and again, and counts how often it woke."""

    def __init__(self, alarm: Alarm) -> None:
        self.alarm = alarm
        self.calling = False
        self.woken = 0
        self.over = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self.over:
            self.alarm.wait(lambda: self.calling)
            self.woken += 1

    def end(self) -> None:
        self.over = True
        while self._thread.is_alive():
            self.alarm.ring()
            self._thread.join(0.01)


@pytest.fixture(params=ALARMS, ids=lambda kind: kind.__name__)
def watcher(request: pytest.FixtureRequest) -> Iterator[Watcher]:
    alarm: Alarm = request.param()
    watcher = Watcher(alarm)
    yield watcher
    watcher.end()
    alarm.close()


def wait_until(met: Callable[[], bool]) -> None:
    wait_for(met, "the watcher to wake")


def test_call_that_begins_wakes_the_watcher_in_a_moment(watcher: Watcher) -> None:
    wait_until(lambda: watcher.alarm.due == 0)
    watcher.alarm.put_off(1)
    assert watcher.alarm.due > 1
    wait_until(lambda: watcher.woken > 0)


def test_call_that_has_begun_before_the_wait_wakes_the_watcher(watcher: Watcher) -> None:
    watcher.calling = True
    watcher.alarm.ring()
    before = watcher.woken
    wait_until(lambda: watcher.woken > before + 1)


def test_ring_wakes_the_watcher_without_a_call(watcher: Watcher) -> None:
    before = watcher.woken
    watcher.alarm.ring()
    wait_until(lambda: watcher.woken > before)


def time_left() -> float:
    """Return the seconds until the last timer of this process goes off; 0.0 if none is set."""
    found = [0.0]
    for info in Path("/proc/self/fdinfo").iterdir():
        with suppress(OSError):  # that of the listing
            for seconds, rest in re.findall(r"it_value: \((\d+), (\d+)\)", info.read_text()):
                found.append(int(seconds) + int(rest) / 1e9)
    return max(found)


@pytest.mark.skipif(TimerAlarm not in ALARMS, reason="the system has no timerfd")
def test_timer_that_is_put_off_does_not_go_off() -> None:
    alarm = TimerAlarm(slow=1000.0)
    try:
        watcher = Watcher(alarm)
        try:
            wait_until(lambda: alarm.due == 0)
            alarm.put_off(1)
            alarm.put_off(65)
            assert 900 < time_left() <= 1000
            assert watcher.woken == 0
        finally:
            watcher.end()
    finally:
        alarm.close()


@pytest.mark.skipif(TimerAlarm not in ALARMS, reason="the system has no timerfd")
def test_timer_is_set_more_often_while_calls_are_long_and_less_often_while_they_are_short() -> None:
    alarm = TimerAlarm()
    try:
        alarm.put_off(1)
        at_first = alarm.due - 1
        for _ in range(8):
            alarm.wait(lambda: True)
        alarm.put_off(1)
        assert alarm.due - 1 < at_first
        for _ in range(64):
            alarm.put_off(1)
        assert alarm.due - 1 == at_first
    finally:
        alarm.close()
