"""Make what a connection needs around it: a listener, and the request cycle with its logs."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from corn_core.net import Listener, TcpAddress
from corn_core.net.tlschannel import Encryption
from corn_core.serving import sendbuffer
from corn_testkit.tls import Certificate
from tests.unit.wsgi.harness import Server

pytest.register_assert_rewrite("tests.unit.serving.table")


@pytest.fixture
def listener() -> Iterator[Listener]:
    """A real TCP listener, where the kernel chose."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield Listener(TcpAddress("127.0.0.1", 0), listening)


@pytest.fixture
def server(tmp_path: Path, listener: Listener) -> Iterator[Server]:
    """The request cycle's surroundings, with logs to look at."""
    server = Server(tmp_path, listener)
    yield server
    server.close()


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a connection that waits for its client tell the driver so at once."""
    monkeypatch.setattr(sendbuffer, "PATIENCE", 0.001)


@pytest.fixture
def ragged() -> bool:
    """The setting suppress_ragged_eofs; some tests give another."""
    return True


@pytest.fixture
def encryption(server: Server, certificate: Certificate, ragged: bool) -> Encryption:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certfile, certificate.keyfile)
    return Encryption(context, suppress_ragged_eofs=ragged)
