"""The check for traces: it fails the test that leaves one, whatever kind it is, and no other."""

from __future__ import annotations

import re
import sys
from textwrap import indent

import pytest

pytest_plugins = ["pytester"]

PROLOGUE = """
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import _thread

def spawn():
    command = [sys.executable, "-c", "import signal; signal.pause()"]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL)

def end(child):
    child.kill()
    child.wait()

import pytest

kept = []
"""

HELD = "reading, held = os.pipe(); os.close(reading)\n"

# What a test does, what the check says of it, and what puts it right again for the next test.
LEAKS = {
    "thread": (
        "gate = threading.Event(); kept.append(gate); threading.Thread(target=gate.wait).start()",
        r"thread \d+ is left behind: Thread-1",
        "kept[0].set()",
    ),
    "daemon": (
        "gate = threading.Event(); kept.append(gate)\n"
        "threading.Thread(target=gate.wait, daemon=True, name='corn-app-1').start()",
        r"thread \d+ is left behind: corn-app-1",
        "kept[0].set()",
    ),
    "thread without a name": (
        "lock = _thread.allocate_lock(); lock.acquire(); kept.append(lock)\n"
        "_thread.start_new_thread(lock.acquire, ())",
        r"thread \d+ is left behind: \?",
        "kept[0].release()",
    ),
    "child process": (
        "kept.append(spawn())",
        r"child process \d+ is left behind: .*python.* -c import signal",
        "end(kept[0])",
    ),
    "zombie": (
        "pid = os.fork() or os._exit(0); kept.append(pid)\n"
        "os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)",
        r"child process \d+ is left behind",
        "os.waitpid(kept[0], 0)",
    ),
    "file": (
        "kept.append(os.open(os.devnull, os.O_RDONLY))",
        r"descriptor /dev/null(, \d times)? is left behind",
        "os.close(kept[0])",
    ),
    "socket": (
        "kept.append(socket.socket())",
        r"descriptor socket:\[\d+\] is left behind",
        "kept[0].close()",
    ),
    "another one of a kind": (
        "kept.append(os.dup(held))",
        r"descriptor pipe:\[\d+\], 2 times is left behind",
        "os.close(kept[0])",
    ),
    "handler": (
        "signal.signal(signal.SIGUSR1, signal.SIG_IGN)",
        "handler of SIGUSR1 is changed: it was 0, and is 1",
        "signal.signal(signal.SIGUSR1, signal.SIG_DFL)",
    ),
    "mask": (
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])",
        r"blocked signals is changed: it was \[\], and is \[.*SIGUSR1",
        "signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])",
    ),
    "wake-up descriptor": (
        "os.set_blocking(held, False); signal.set_wakeup_fd(held)",
        r"wake-up descriptor is changed: it was -1, and is \d+",
        "signal.set_wakeup_fd(-1)",
    ),
    "timer": (
        "signal.setitimer(signal.ITIMER_REAL, 1000)",
        "timer is changed: it was False, and is True",
        "signal.setitimer(signal.ITIMER_REAL, 0)",
    ),
    "working directory": (
        "kept.append(os.getcwd()); os.chdir('/')",
        "working directory is changed: it was .*, and is /",
        "os.chdir(kept[0])",
    ),
    "removed directory": (
        "kept.append(os.getcwd()); d = tempfile.mkdtemp(); os.chdir(d); os.rmdir(d)",
        "working directory is changed: it was .*, and is removed",
        "os.chdir(kept[0])",
    ),
    "umask": (
        "kept.append(os.umask(0o123))",
        "umask is changed: it was .*, and is 0o123",
        "os.umask(kept[0])",
    ),
    "variable that is new": (
        "os.environ['SHOP'] = 'open'",
        r"\$SHOP is changed: it was not set, and is open",
        "del os.environ['SHOP']",
    ),
    "variable that is gone": (
        "kept.append(os.environ.pop('HOME'))",
        r"\$HOME is changed: it was .*, and is not set",
        "os.environ['HOME'] = kept[0]",
    ),
    "handler of the root logger": (
        "kept.append(logging.StreamHandler()); logging.root.addHandler(kept[0])",
        r"logger root is changed: .*StreamHandler",
        "logging.root.removeHandler(kept[0])",
    ),
    "handler of a new logger": (
        "kept.append(logging.StreamHandler()); logging.getLogger('shop').addHandler(kept[0])",
        r"logger shop is changed: it was not set, and is .*StreamHandler",
        "logging.getLogger('shop').removeHandler(kept[0])",
    ),
    "filter of a logger": (
        "kept.append(logging.Filter()); logging.getLogger('shop').addFilter(kept[0])",
        "logger shop is changed",
        "logging.getLogger('shop').removeFilter(kept[0])",
    ),
    "level": (
        "logging.getLogger('shop').setLevel('DEBUG')",
        "logger shop is changed: it was not set, and is .10,",
        "logging.getLogger('shop').setLevel(0)",
    ),
    "propagation": (
        "logging.getLogger('shop').propagate = False",
        "logger shop is changed",
        "logging.getLogger('shop').propagate = True",
    ),
    "disabled logger": (
        "logging.getLogger('shop').disabled = True",
        "logger shop is changed",
        "logging.getLogger('shop').disabled = False",
    ),
    "all logging": (
        "logging.disable(logging.ERROR)",
        r"logging.disable\(\) is changed: it was 0, and is 40",
        "logging.disable(logging.NOTSET)",
    ),
}


def run(pytester: pytest.Pytester, source: str, leaks: str = "true") -> pytest.RunResult:
    """Run tests in a process of their own, in the order in which they stand there."""
    pytester.makeini(f"[pytest]\ncorn_leaks = {leaks}\n")
    pytester.makepyfile(PROLOGUE + source)
    return pytester.runpytest_subprocess("-p", "no:cacheprovider")


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the check's deadline, because what it waits for never comes in these tests.

    Only the kit's own plugin is loaded: others take a second to import, and order the tests anew.
    """
    monkeypatch.setenv("CORN_TESTKIT_DEADLINE", "0.6")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "corn_testkit.pytest_plugin")


LEAKING = """
class Test{number}:
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def repaired(cls):
        yield
        {repair}
        kept.clear()

    def test_leaking(self):
        {leak}

    def test_after(self):
        pass
"""

REPORT = r"at teardown of Test(\d+)\.test_leaking ___+\nthe test leaves traces:\n((?:  .*\n)+)"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells all kinds")
def test_each_leak_fails_the_test_that_makes_it(pytester: pytest.Pytester) -> None:
    tests = [
        LEAKING.format(number=number, leak=indent(leak, " " * 8).strip(), repair=repair)
        for number, (leak, _, repair) in enumerate(LEAKS.values())
    ]
    outcome = run(pytester, HELD + "".join(tests))
    outcome.assert_outcomes(passed=2 * len(LEAKS), errors=len(LEAKS))
    reports = re.findall(REPORT, outcome.stdout.str())
    assert [int(number) for number, _ in reports] == [*range(len(LEAKS))]
    for (_, report), (kind, (_, message, _)) in zip(reports, LEAKS.items(), strict=True):
        assert re.fullmatch(f"  {message}.*\n", report), f"{kind}: {report}"


def test_what_is_put_right_is_no_leak(pytester: pytest.Pytester) -> None:
    """Everything above, in one test that cleans up as it should."""
    steps = [f"kept.clear()\n{leak}\n{repair}\n" for leak, _, repair in LEAKS.values()]
    body = indent("".join(steps), "    ")
    outcome = run(pytester, f"{HELD}def test_clean():\n{body}")
    outcome.assert_outcomes(passed=1)


def test_fixtures_of_the_test_count_and_wider_ones_do_not(pytester: pytest.Pytester) -> None:
    outcome = run(
        pytester,
        "@pytest.fixture(scope='module')\n"
        "def server():\n"
        "    child = spawn(); os.environ['SHOP'] = 'open'\n"
        "    yield\n"
        "    end(child); del os.environ['SHOP']\n"
        "@pytest.fixture\n"
        "def closed(monkeypatch):\n"
        "    monkeypatch.setenv('DOOR', 'shut')\n"
        "    with socket.socket(): yield\n"
        "@pytest.fixture\n"
        "def open_(): os.environ['DOOR'] = 'open'\n"
        "def test_one(server, closed): pass\n"
        "def test_two(server, closed): pass\n"
        "def test_three(server, open_): pass\n",
    )
    outcome.assert_outcomes(passed=3, errors=1)
    outcome.stdout.re_match_lines([".*ERROR at teardown of test_three", ".*DOOR is changed"])


def test_what_comes_late_is_no_leak(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CORN_TESTKIT_DEADLINE")
    outcome = run(
        pytester,
        "def test_late():\n"
        "    gate = threading.Event()\n"
        "    threading.Thread(target=gate.wait).start()\n"
        "    threading.Timer(0.1, gate.set).start()\n"
        "def test_cycle():\n"
        "    cycle = [open(os.devnull)]; cycle.append(cycle)\n"
        "    cycle[0].close = None\n"
        "def test_library():\n"
        "    logging.getLogger('library').addHandler(logging.NullHandler())\n"
        "def test_log(caplog):\n"
        "    logging.getLogger('shop').warning('sold out')\n"
        "    assert caplog.messages == ['sold out']\n",
    )
    outcome.assert_outcomes(passed=4)


def test_it_is_off_unless_it_is_asked_for(pytester: pytest.Pytester) -> None:
    outcome = run(pytester, "def test_leaking(): os.environ['SHOP'] = 'open'\n", leaks="false")
    outcome.assert_outcomes(passed=1)


def test_it_is_on_here(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.pluginmanager.has_plugin("corn-leaks")
