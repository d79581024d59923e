"""Signals that wait while code runs that would swallow what their handlers raise.

Each case is a process of its own, in which another thread runs as well: the kernel may give a
signal to any thread that does not block it.
"""

from __future__ import annotations

import subprocess
import sys

PROLOGUE = """
import os, signal, threading
from corn_core.worker.signals import held_back

class Told(Exception):
    pass

def tell(number, frame):
    raise Told(number)

def send(number):
    before = len(woken)
    os.kill(os.getpid(), number)
    while len(woken) == before:  # until the interpreter has noticed it, in whichever thread
        woken.extend(os.read(reading, 100))

reading, writing = os.pipe()
os.set_blocking(writing, False)
signal.set_wakeup_fd(writing)
woken = []
over = threading.Event()
thread = threading.Thread(target=over.wait)
thread.start()
signal.signal(signal.SIGTERM, tell)
"""

EPILOGUE = """
over.set()
thread.join()
"""


def lines_of(code: str) -> list[str]:
    """Run code in a process with another thread beside it; returns what it prints."""
    command = [sys.executable, "-c", PROLOGUE + code + EPILOGUE]
    return subprocess.check_output(command, text=True, timeout=60).splitlines()


def test_a_signal_arrives_afterwards() -> None:
    code = """
try:
    with held_back():
        send(signal.SIGTERM)
        print("to the end")
except Told:
    print("told")
print(signal.getsignal(signal.SIGTERM) is tell)
"""
    assert lines_of(code) == ["to the end", "told", "True"]


def test_the_inner_end_lets_nothing_through() -> None:
    code = """
try:
    with held_back():
        with held_back():
            send(signal.SIGTERM)
        print("still held")
    print("never")
except Told:
    print("told")
"""
    assert lines_of(code) == ["still held", "told"]


def test_they_arrive_in_order_and_the_first_to_raise_is_the_last() -> None:
    code = """
seen = []
signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
signal.signal(signal.SIGQUIT, lambda number, frame: seen.append(number))
try:
    with held_back():
        for number in (signal.SIGQUIT, signal.SIGTERM, signal.SIGINT):
            send(number)
except Told:
    print(seen == [signal.SIGQUIT])
send(signal.SIGINT)
print(seen == [signal.SIGQUIT, signal.SIGINT])
"""
    assert lines_of(code) == ["True", "True"]


def test_an_interrupt_from_the_keyboard_waits_too() -> None:
    """As in a master that prepares its process for an application that it preloads."""
    code = """
try:
    with held_back():
        send(signal.SIGINT)
        print("to the end")
except KeyboardInterrupt:
    print("interrupted")
"""
    assert lines_of(code) == ["to the end", "interrupted"]


def test_what_has_no_handler_acts_at_once() -> None:
    code = """
signal.signal(signal.SIGTERM, signal.SIG_DFL)
with held_back():
    os.kill(os.getpid(), signal.SIGTERM)
print("never")
"""
    ended = subprocess.run([sys.executable, "-c", PROLOGUE + code], capture_output=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (-15, b"")
