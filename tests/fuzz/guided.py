"""One target under atheris, in a process that it ends itself: TARGET, then libFuzzer's options."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["corn_core", "corn_asgi", "corn_control"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    program, name, *options = sys.argv
    atheris.Setup([program, *options], TARGETS[name].act)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
