"""The fixtures with which tests start servers; pytest finds them when the kit is installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from corn_testkit.gate import Gate
from corn_testkit.server import APPS, COMMAND, Server

if TYPE_CHECKING:
    import ssl

    from corn_testkit.tls import Authority, Certificate


class Serve(Protocol):
    """Starts a server that listens on a port which the kernel chooses, and waits for it.

    :param arguments: more of the command line; the application's name, if it is there.
    :param bind: other addresses; none leaves them to the test's own configuration.
    :param cwd: the working directory; by default the kit's own applications are there.
    :param wait: whether to return only when it listens.
    :param command: a program that runs ``corn`` as its arguments say, in the place of that.
    :param pass_fds: descriptors that the server is started with.
    """

    def __call__(
        self,
        *arguments: str,
        bind: tuple[str, ...] = ("127.0.0.1:0",),
        cwd: Path = APPS,
        env: Mapping[str, str] | None = None,
        wait: bool = True,
        command: str = COMMAND,
        pass_fds: Sequence[int] = (),
    ) -> Server: ...


@pytest.fixture
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """A function that starts servers; what still runs afterwards is ended."""
    servers: list[Server] = []

    def start(
        *arguments: str,
        bind: tuple[str, ...] = ("127.0.0.1:0",),
        cwd: Path = APPS,
        env: Mapping[str, str] | None = None,
        wait: bool = True,
        command: str = COMMAND,
        pass_fds: Sequence[int] = (),
    ) -> Server:
        binds = [f"--bind={address}" for address in bind]
        home = tmp_path_factory.mktemp("server")
        server = Server(home, [*arguments, *binds], cwd, env, command, pass_fds)
        servers.append(server)
        return server.started() if wait else server

    yield start
    for server in servers:
        server.kill()
    for server in servers:
        server.check_log()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """A gate in the test's own directory."""
    made = Gate(tmp_path)
    yield made
    made.open()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that issues certificates."""
    from corn_testkit.tls import Authority  # lazy: every run of pytest loads this module

    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def certificate(authority: Authority) -> Certificate:
    """A certificate for the servers that tests start."""
    return authority.issue()


@pytest.fixture(scope="session")
def context(authority: Authority) -> ssl.SSLContext:
    """The TLS context of a client that trusts this certificate and has none of its own."""
    return authority.context()
