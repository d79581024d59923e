"""The guided half of ``make fuzz``: atheris looks for input that makes targets reach other code.

It is not among the development requirements, because it has wheels for a few platforms only.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.targets import TARGETS

SECONDS = 60
GRACE = 60
"""Seconds within which the fuzzer has to end after its time."""

FINDINGS = Path("build")
"""Where input is kept that a target fails with."""


def run(name: str, seconds: int) -> bool:
    """Fuzz a target in a process of its own; returns True if nothing was found."""
    target = TARGETS[name]
    FINDINGS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="corn-fuzz-") as directory:
        corpus = Path(directory, "corpus")
        corpus.mkdir()
        for number, seed in enumerate(target.seeds):
            Path(corpus, str(number)).write_bytes(seed)
        words = Path(directory, "words")
        words.write_text("".join(f'"{_quoted(word)}"\n' for word in target.telling))
        command = [
            *(sys.executable, "-m", "tests.fuzz.guided", name, str(corpus), f"-dict={words}"),
            *(f"-max_total_time={seconds}", "-max_len=4096", "-timeout=10", "-verbosity=0"),
            f"-artifact_prefix={FINDINGS}/fuzz-{name.replace(' ', '-')}-",
        ]
        outcome = subprocess.run(command, timeout=seconds + GRACE)
    print(f"{name}: {'nothing found' if not outcome.returncode else 'FOUND'}", flush=True)
    return not outcome.returncode


def _quoted(word: bytes) -> str:
    """Write a word as it stands in a dictionary of libFuzzer's."""
    return "".join(f"\\x{octet:02x}" for octet in word)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--targets", nargs="+", choices=list(TARGETS), default=list(TARGETS))
    parser.add_argument("--seconds", type=int, default=SECONDS, help="for each target")
    arguments = parser.parse_args()
    if find_spec("atheris") is None:
        print("atheris is not installed: only generated input was tried, not guided by coverage")
        return 0
    found = [name for name in arguments.targets if not run(name, arguments.seconds)]
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
