"""The eventlet worker does what every worker must."""

from __future__ import annotations

import pytest

from corn_testkit.conformance import run


def test_conformance(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two thirds of the time that eventlet takes to import are dnspython's, in each of some sixty
    # servers, and the kit looks nothing up.
    monkeypatch.setenv("EVENTLET_NO_GREENDNS", "yes")
    run("eventlet")
