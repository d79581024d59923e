"""``make soak``: everything at full length; the exit status is 1 when a request failed."""

from __future__ import annotations

import sys

from tests.soak.run import FULL, growth_of_master, outcomes

RELOADS = 200


def main() -> int:
    failed = 0
    print("| during | times | sent | answered | failed |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, times, tally in outcomes(FULL):
        failures = sum(tally.failures.values())
        failed += failures
        row = (name, times, tally.sent, tally.answered, failures)
        print(f"| {' | '.join(map(str, row))} |", flush=True)
        for what, count in tally.failures.items():
            print(f"  {count} x {what}", file=sys.stderr)
    growth = growth_of_master(RELOADS)
    print(f"\nGrowth of the master over {RELOADS} reloads:", end=" ")
    print(", ".join(f"{name} {value:+}" for name, value in growth._asdict().items()))
    leaks = growth.descriptors > 0 or growth.zombies > 0 or growth.temporary_files > 0
    return 1 if failed or leaks else 0


if __name__ == "__main__":
    sys.exit(main())
