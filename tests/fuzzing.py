"""Sets how many examples tests with generated input try: few by default, many in ``make full``.

A busy machine is not a defect of what is tested, so no example has a deadline.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

LONG = 20
"""Times as many examples are tried when ``CORN_FUZZING`` is ``long``."""

AT_LENGTH = os.environ.get("CORN_FUZZING") == "long"

_factor = LONG if AT_LENGTH else 1


def examples(count: int = 100) -> settings:
    """Return settings for a test that tries so many examples in the short run."""
    return settings(
        max_examples=count * _factor,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


def load() -> None:
    """Make these settings those of tests that have none of their own."""
    settings.register_profile("corn", examples())
    settings.load_profile("corn")
