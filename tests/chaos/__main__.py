"""``make chaos``: everything, several times over, with each worker.

    python -m tests.chaos [SEED [WORKER ...]]

The seed is printed; the same one gives the same events in the same order. The exit status is 1
when a server did not survive, or a request failed that had no reason to, or a normal client waited
too long beside slow ones.
"""

from __future__ import annotations

import random
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

from tests.chaos.clock import clock_jumps
from tests.chaos.handshake import handshakes
from tests.chaos.neighbours import WORST, best_waits, waits
from tests.chaos.run import EVENTS, WORKERS, live
from tests.chaos.site import Impossible
from tests.chaos.starved import starved

ROUNDS = 3


def misfortunes(worker: str, seed: int) -> Iterator[str]:
    """Let everything happen to a worker; yields what is next, and what was found.

    :raises AssertionError: when something is not as it should be.
    """
    yield from live(worker, seed, ROUNDS, list(EVENTS), short=False)
    with tempfile.TemporaryDirectory() as home:
        yield "handshakes"
        handshakes(worker, Path(home), seed, step=1, count=1000)
    with tempfile.TemporaryDirectory() as home:
        yield "clock_jumps"
        try:
            clock_jumps(worker, Path(home), seed, short=False)
        except Impossible as reason:
            yield f"not done: {reason}"
    yield "starved"
    starved(worker, seed)
    yield "beside slow clients"
    found = best_waits(worker, seed)
    yield str(found)
    assert found.ratio <= WORST, found
    yield "beside uploads"
    # What these need of the processor is theirs; the figure is for comparing workers.
    yield str(waits(worker, "upload", seed))


def main(arguments: list[str]) -> int:
    seed = int(arguments[0]) if arguments else random.randrange(1_000_000)
    failed = 0
    for worker in arguments[1:] or WORKERS:
        print(f"{worker}, seed {seed}:", end="", flush=True)
        path = Path(tempfile.gettempdir(), f"chaos-{worker}.log")
        try:
            # The servers show their logs, which tell more about a failure.
            with open(path, "w") as log, redirect_stdout(log):
                for event in misfortunes(worker, seed):
                    print(f" {event}", end=";", flush=True, file=sys.__stdout__)
            print(" all well")
        except Exception:
            # Broad, because the other workers are still to be tried.
            print(f" FAILED; the server's log is in {path}", flush=True)
            traceback.print_exc()
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
