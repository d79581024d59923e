"""The rules that the conformance suite checks: the first paragraph of each test's docstring."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest


def rule_of(test: Callable[..., object]) -> str:
    """Return the rule that a test checks, as one line."""
    return " ".join((inspect.getdoc(test) or "").partition("\n\n")[0].split())


def name_the_rule(report: pytest.TestReport, test: Callable[..., object]) -> None:
    """Add the rule to the report of a failure, below the traceback and in the summary's line."""
    rule = rule_of(test)
    failure = report.longrepr
    # A failure without a traceback is a mere text, which has no sections.
    add_section = getattr(failure, "addsection", None)
    crash = getattr(failure, "reprcrash", None)
    if rule and add_section is not None:
        add_section("the rule that was broken", rule)
        if crash is not None:
            crash.message = f"{rule} {crash.message}"
