"""Put a configuration's sockets, pidfile and application in the place of another's."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from corn_core.arbiter.generation import Builder, Generation, close_listeners, update_pidfile
from corn_core.arbiter.server import LoadedConfig
from corn_core.errors import AppLoadError, BindError, ConfigError
from tests.unit.arbiter.fixtures import app, loaded

LOCAL = "127.0.0.1:0"


class Waited(Exception):
    """The address is in use."""


def no_pause(seconds: float) -> None:
    raise Waited


@pytest.fixture
def first(tmp_path: Path) -> Iterator[Generation]:
    generation = Builder(no_pause).build(1, loaded(bind=[LOCAL, f"unix:{tmp_path}/a"]), ())
    yield generation
    close_listeners(generation.listeners)


def test_sockets_with_the_same_address_are_kept(first: Generation, tmp_path: Path) -> None:
    changed = loaded(bind=[f"unix:{tmp_path}/b", f"unix:{tmp_path}/a", LOCAL, "[::1]:0"])
    second = Builder(no_pause).build(2, changed, first.listeners)
    tcp, unix = first.listeners
    assert list(second.listeners[1:3]) == [unix, tcp]
    assert [str(one.address) for one in second.listeners] == changed.config.bind
    assert (tmp_path / "a").exists() and (tmp_path / "b").exists()
    close_listeners(second.listeners)
    assert not (tmp_path / "a").exists() and not (tmp_path / "b").exists()


def test_one_socket_is_not_kept_for_two_addresses(first: Generation) -> None:
    second = Builder(no_pause).build(2, loaded(bind=[LOCAL, LOCAL]), first.listeners)
    assert second.listeners[0] is first.listeners[0]
    assert second.listeners[1] not in first.listeners
    close_listeners(second.listeners)


def test_a_wait_for_an_address_can_be_broken_off(first: Generation, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(Waited):
            Builder(no_pause).build(
                2, loaded(bind=[f"unix:{tmp_path}/new", taken]), first.listeners
            )
    assert not (tmp_path / "new").exists(), "all or nothing"
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "a"))


def test_an_address_that_cannot_be_had(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BindError, match="not a socket"):
        Builder(no_pause).build(1, loaded(bind=[f"unix:{tmp_path}/file"]), ())


def another_app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    raise AssertionError("it is not called")


def test_preloading_loads_once_and_another_app_anew() -> None:
    calls: list[str] = []

    def loading(uri: str, found: Any) -> LoadedConfig:
        made = loaded(preload_app=True, default_proc_name=uri)

        def load() -> Any:
            calls.append(uri)
            return found

        return LoadedConfig(made.config, made.log, made.worker_class, load)

    builder = Builder(no_pause)
    assert builder.preload(loading("a:app", app))() is app
    assert builder.preload(loading("a:app", another_app))() is app
    assert builder.preload(loading("b:app", another_app))() is another_app
    assert calls == ["a:app", "b:app"]


def test_without_preloading_workers_load() -> None:
    def load() -> Any:
        raise AppLoadError("not in the master")

    made = loaded()
    made = LoadedConfig(made.config, made.log, made.worker_class, load)
    assert Builder(no_pause).preload(made) is load


def test_the_pidfile_follows_the_configuration(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    assert update_pidfile(None, None) is None
    pidfile = update_pidfile(None, str(a))
    assert a.read_text() == f"{os.getpid()}\n"
    a.unlink()
    pidfile = update_pidfile(pidfile, str(a))
    assert a.exists(), "it had been removed"
    pidfile = update_pidfile(pidfile, str(b))
    assert b.exists() and not a.exists()
    with pytest.raises(ConfigError):
        update_pidfile(pidfile, str(tmp_path / "missing" / "c"))
    assert b.exists(), "the old one stays"
    assert update_pidfile(pidfile, None) is None
    assert not b.exists()
