"""The peculiarities of eventlet: where it works, and how quiet it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from corn_core.errors import ConfigError
from corn_eventlet.library import check_python
from corn_testkit.fixtures import Serve
from corn_testkit.server import run

CLASSIFIERS = [
    "Programming Language :: Python",
    "Programming Language :: Python :: 3",
    "Programming Language :: Python :: 3 :: Only",
    "Programming Language :: Python :: 3.9",
    "Programming Language :: Python :: 3.10",
    "Programming Language :: Python :: 3.13",
    "Topic :: Internet",
]


@pytest.mark.parametrize("version", [(3, 9), (3, 10), (3, 13)])
def test_a_python_that_the_release_names(version: tuple[int, int]) -> None:
    check_python(CLASSIFIERS, version, "1.2")


@pytest.mark.parametrize("version", [(3, 8), (3, 14)])
def test_a_python_that_it_does_not_name(version: tuple[int, int]) -> None:
    with pytest.raises(ConfigError) as refusal:
        check_python(CLASSIFIERS, version, "1.2")
    assert str(refusal.value) == (
        "worker_class: eventlet 1.2 supports Python 3.9 to 3.13, and this is"
        f" 3.{version[1]}; use one of these, or another worker class, such as gevent"
    )


def test_a_release_that_names_none() -> None:
    check_python(["Topic :: Internet"], (3, 14), "1.2")


def test_an_eventlet_that_cannot_be_imported(tmp_path: Path) -> None:
    (tmp_path / "eventlet.py").write_text("raise AttributeError('gone in this Python')\n")
    ended = run("-k", "eventlet", "probe:app", env={"PYTHONPATH": str(tmp_path)})
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: worker_class: eventlet cannot be imported by Python 3.")
    assert "(AttributeError: gone in this Python); use another worker class" in ended.stderr


def test_its_deprecation_is_not_in_the_log(serve: Serve) -> None:
    server = serve("-k", "eventlet", "--preload", "probe:app", env={"PYTHONWARNINGS": "default"})
    assert server.get() == "hello"
    server.stop()
    assert "eventlet is deprecated" not in server.log.lower()
