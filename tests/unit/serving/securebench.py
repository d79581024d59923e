"""A bench for connections under TLS, whose client really encrypts."""

from __future__ import annotations

import ssl
from typing import Any

from corn_core.net import Listener
from corn_core.net.tlschannel import Encryption
from corn_core.serving.connection import Connection
from corn_core.serving.driver import Phase
from tests.unit.serving.bench import Bench
from tests.unit.wsgi.harness import Server


class SecureBench(Bench):
    """A connection under TLS, and a client that speaks it.

    What the client has seen includes ``goodbye``, for the server's close_notify, and ``alert``.
    """

    def __init__(
        self,
        server: Server,
        listener: Listener,
        encryption: Encryption,
        client: ssl.SSLContext,
        tcp: bool = False,
    ) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = client.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.established = False
        super().__init__(server, listener, tcp)
        self.driver.encryption = encryption
        self.connection = Connection(self.driver, listener, self.sock, ("192.0.2.7", 4711))

    def understand(self, data: bytes) -> tuple[bytes, list[str]]:
        if data.startswith(b"HTTP/"):
            return data, []  # of a server that has seen a client which does not speak TLS
        self.incoming.write(data)
        if not self.established:
            return b"", []
        decrypted = b""
        try:
            while piece := self.tls.read(65536):
                decrypted += piece
        except ssl.SSLWantReadError:
            return decrypted, []
        except ssl.SSLZeroReturnError:
            pass  # what a client is told that has said goodbye itself
        except ssl.SSLError:
            return decrypted, ["alert"]
        return decrypted, ["goodbye"]

    def shake(self) -> bytes:
        """Take the client's next message of the handshake."""
        self.take()
        try:
            self.tls.do_handshake()
            self.established = True
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()

    def encrypt(self, data: bytes) -> bytes:
        self.tls.write(data)
        return self.outgoing.read()

    def farewell(self) -> bytes:
        """Take the client's close_notify."""
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            pass
        return self.outgoing.read()


class EstablishedBench(SecureBench):
    """A connection after its handshake: whatever the client says from then on is encrypted."""

    ready = False

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.say(self.shake())
        self.connection.start()
        self.hear(self.shake())
        assert self.connection.phase is Phase.IDLE
        self.ready = True

    def say(self, data: bytes) -> None:
        super().say(self.encrypt(data) if self.ready and data else data)
