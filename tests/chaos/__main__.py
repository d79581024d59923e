"""``make chaos``: everything, several times over, with each worker.

    python -m tests.chaos [SEED [WORKER ...]]

The seed is printed; the same one gives the same events in the same order. The exit status is 1
when a server did not survive, or a request failed that had no reason to.
"""

from __future__ import annotations

import random
import sys
import tempfile
import traceback
from pathlib import Path

from tests.chaos.events import EVENTS
from tests.chaos.handshake import handshakes
from tests.chaos.run import WORKERS, live

ROUNDS = 3


def main(arguments: list[str]) -> int:
    seed = int(arguments[0]) if arguments else random.randrange(1_000_000)
    failed = 0
    for worker in arguments[1:] or WORKERS:
        print(f"{worker}, seed {seed}:", end="", flush=True)
        try:
            for event in live(worker, seed, ROUNDS, list(EVENTS), short=False):
                print(f" {event}", end=";", flush=True)
            with tempfile.TemporaryDirectory() as home:
                print(" handshakes", end=";", flush=True)
                handshakes(worker, Path(home), seed, step=1, count=400)
            print(" all well")
        except Exception:
            # Broad, because the other workers are still to be tried.
            print()
            traceback.print_exc()
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
