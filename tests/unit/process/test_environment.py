from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from corn_core.errors import ConfigError
from corn_core.process.environment import ProcessEnvironment, parse_raw_env, working_directory
from corn_core.setting import Expected


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory; the directory and sys.path are put back afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path))
    monkeypatch.setattr(sys, "path", ["/elsewhere"])
    return tmp_path


# -- raw_env -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("A=1", ["A=1"]),
        (["A=1", "B="], ["A=1", "B="]),
        (["URL=http://x/?a=b"], ["URL=http://x/?a=b"]),
        ([], []),
    ],
)
def test_raw_env(raw: object, value: list[str]) -> None:
    assert parse_raw_env(raw) == value


@pytest.mark.parametrize("raw", ["A", "=1", " =1", ["A=1", "B"], "A=\0", {"A": "1"}, 3])
def test_bad_raw_env(raw: object) -> None:
    with pytest.raises(Expected):
        parse_raw_env(raw)


def test_message_shows_which_entry_is_wrong() -> None:
    with pytest.raises(Expected, match=r"^NAME=VALUE, such as DEBUG=1 \(not 'B'\)$"):
        parse_raw_env(["A=1", "B"])


def test_variables_are_set_and_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORN_TEST_OLD", "old")
    monkeypatch.delenv("CORN_TEST_NEW", raising=False)
    environment = ProcessEnvironment()
    environment.apply(["CORN_TEST_OLD=new", "CORN_TEST_NEW=a=b"])
    assert (os.environ["CORN_TEST_OLD"], os.environ["CORN_TEST_NEW"]) == ("new", "a=b")
    environment.restore()
    assert os.environ["CORN_TEST_OLD"] == "old"
    assert "CORN_TEST_NEW" not in os.environ


def test_applying_again_first_undoes_what_was_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORN_TEST_OLD", "old")
    monkeypatch.delenv("CORN_TEST_NEW", raising=False)
    environment = ProcessEnvironment()
    environment.apply(["CORN_TEST_OLD=1", "CORN_TEST_NEW=1"])
    environment.apply(["CORN_TEST_OLD=2"])
    assert os.environ["CORN_TEST_OLD"] == "2"
    assert "CORN_TEST_NEW" not in os.environ
    environment.restore()
    assert os.environ["CORN_TEST_OLD"] == "old"


def test_name_that_is_given_twice_has_its_last_value_and_is_undone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CORN_TEST_OLD", "old")
    environment = ProcessEnvironment()
    environment.apply(["CORN_TEST_OLD=1", "CORN_TEST_OLD=2"])
    assert os.environ["CORN_TEST_OLD"] == "2"
    environment.restore()
    assert os.environ["CORN_TEST_OLD"] == "old"


def test_variable_that_the_application_removed_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CORN_TEST_NEW", raising=False)
    environment = ProcessEnvironment()
    environment.apply(["CORN_TEST_NEW=1"])
    del os.environ["CORN_TEST_NEW"]
    environment.restore()
    assert "CORN_TEST_NEW" not in os.environ


# -- the directory -------------------------------------------------------------------


def test_directory_keeps_the_name_of_a_link(here: Path) -> None:
    (here / "release-1").mkdir()
    (here / "release-2").mkdir()
    (here / "current").symlink_to("release-1")
    os.chdir("current")
    assert working_directory({"PWD": f"{here}/current"}) == f"{here}/current"
    assert working_directory({"PWD": f"{here}/release-2"}) == f"{here}/release-1"
    assert working_directory({"PWD": f"{here}/none"}) == f"{here}/release-1"
    assert working_directory({"PWD": "."}) == f"{here}/release-1"
    assert working_directory({}) == f"{here}/release-1"


def test_next_release_is_found_through_the_link(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for release in ("release-1", "release-2"):
        (here / release).mkdir()
    (here / "current").symlink_to("release-1")
    os.chdir("current")
    monkeypatch.setenv("PWD", f"{here}/current")
    environment = ProcessEnvironment()
    (here / "current").unlink()
    (here / "current").symlink_to("release-2")
    environment.enter(None)
    assert os.getcwd() == f"{here}/release-2"
    assert sys.path == [f"{here}/current", "/elsewhere"]


def test_relative_directory_starts_where_the_server_did(here: Path) -> None:
    (here / "app").mkdir()
    environment = ProcessEnvironment()
    for _ in range(2):
        environment.enter("app")
        assert os.getcwd() == f"{here}/app"
        assert sys.path == [f"{here}/app", "/elsewhere"]
    environment.enter(None)
    assert os.getcwd() == str(here)
    assert sys.path == [str(here), "/elsewhere"]


def test_pythonpath_is_searched_first_and_in_order(here: Path) -> None:
    (here / "app").mkdir()
    environment = ProcessEnvironment()
    environment.enter("app", ["lib", "/usr/lib/shop", "lib"])
    assert sys.path == [f"{here}/app/lib", "/usr/lib/shop", f"{here}/app", "/elsewhere"]
    environment.enter("app", ["other"])
    assert sys.path == [f"{here}/app/other", f"{here}/app", "/elsewhere"]


def test_entry_that_was_there_before_stays(here: Path) -> None:
    sys.path.append(str(here))
    environment = ProcessEnvironment()
    environment.enter(None)
    assert sys.path == [str(here), "/elsewhere", str(here)]
    (here / "app").mkdir()
    environment.enter("app")
    assert sys.path == [f"{here}/app", "/elsewhere", str(here)]


def test_absolute_directory(here: Path) -> None:
    ProcessEnvironment().enter("/")
    assert os.getcwd() == "/"
    assert sys.path == ["/", "/elsewhere"]


def test_directory_that_is_not_there(here: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        ProcessEnvironment().enter("none")
    assert str(caught.value) == f"chdir: cannot change to '{here}/none': No such file or directory"
    assert os.getcwd() == str(here)
    assert sys.path == ["/elsewhere"]
