"""No plugin touches what is private to a class of the core or of another plugin."""

from __future__ import annotations

import pytest

from tests.contract import layering, privacy

CORE = {
    "corn_core.driver": (
        "class Driver:\n"
        "    _limit: int = 0\n"
        "    def __init__(self):\n        self._poller = None\n"
        "    def _wait(self):\n        pass\n"
        "    def wait(self):\n        pass\n"
    )
}

HEAD = "from corn_core.driver import Driver\n"

BAD = {
    "an attribute": "class A(Driver):\n    def b(self):\n        self._poller.close()",
    "a method": "def f(driver):\n    driver._wait()",
    "a class attribute": "x = Driver._limit",
    "an override": "class A(Driver):\n    def _wait(self):\n        pass",
    "a remote override": "class A(Driver):\n    pass\nclass B(A):\n    def _wait(self): ...",
    "the same attribute": "class A(Driver):\n    def b(self):\n        self._poller = 1",
    "a generic base": "class A(Driver[int]):\n    _limit = 1",
}

GOOD = {
    "a public name": "class A(Driver):\n    def wait(self):\n        super().wait()",
    "a name of its own": "class A(Driver):\n    def b(self):\n        self._own = self._own",
    "a class of its own": "class A:\n    def _wait(self):\n        pass",
    "a name of a library": "def f(sock):\n    sock._accept()",
}


def test_no_plugin_touches_what_is_private_elsewhere() -> None:
    packages = {"corn_core": layering.core_sources(), **layering.plugin_sources()}
    assert privacy.intrusions(packages) == []


@pytest.mark.parametrize("source", BAD.values(), ids=BAD)
def test_intrusion_is_found(source: str) -> None:
    packages = {"corn_core": CORE, "corn_some": {"corn_some.worker": HEAD + source}}
    assert len(privacy.intrusions(packages)) == 1


@pytest.mark.parametrize("source", GOOD.values(), ids=GOOD)
def test_good_neighbour_is_left_alone(source: str) -> None:
    packages = {"corn_core": CORE, "corn_some": {"corn_some.worker": HEAD + source}}
    assert privacy.intrusions(packages) == []
