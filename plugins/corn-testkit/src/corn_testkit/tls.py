"""A certificate authority for the tests, and clients that speak TLS."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

PASSWORD = "correct horse"


@dataclass(frozen=True)
class Certificate:
    """Files of PEM: the certificate with its chain, its key, the key encrypted, and both."""

    certfile: str
    keyfile: str
    encrypted: str
    both: str

    @property
    def serial(self) -> str:
        """The serial number, as ``getpeercert`` writes it."""
        decoded = ssl._ssl._test_decode_cert(self.certfile)  # type: ignore[attr-defined]
        return str(decoded["serialNumber"])


class Authority:
    """An authority with a directory for its files."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._issued = 0
        self._ca = trustme.CA()
        self.file = str(directory / "ca.pem")
        self._ca.cert_pem.write_to_path(self.file)

    def issue(self, *names: str, common_name: str | None = None) -> Certificate:
        """Issue a certificate, for the names that the tests' servers go by if none is given."""
        leaf = self._ca.issue_cert(*(names or ("localhost", "127.0.0.1")), common_name=common_name)
        self._issued += 1
        stem = self._directory / f"{self._issued}"
        paths = [f"{stem}.{kind}.pem" for kind in ("cert", "key", "encrypted", "both")]
        chain = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
        key = leaf.private_key_pem.bytes()
        encrypted = load_pem_private_key(key, None).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSWORD.encode())
        )
        for path, content in zip(paths, (chain, key, encrypted, key + chain), strict=True):
            Path(path).write_bytes(content)
        return Certificate(*paths)

    def context(self, certificate: Certificate | None = None) -> ssl.SSLContext:
        """Make a client's context, which trusts this authority."""
        context = ssl.create_default_context(cafile=self.file)
        # Some versions of Python set it, 3.11.2 for one: an end without a close_notify would look
        # like one in order.
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
        if certificate is not None:
            context.load_cert_chain(certificate.certfile, certificate.keyfile)
        return context


def secured(
    sock: socket.socket, context: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> ssl.SSLSocket:
    """Return the connection after the handshake; it must end with a close_notify."""
    try:
        return context.wrap_socket(
            sock, server_hostname="localhost", suppress_ragged_eofs=False, session=session
        )
    except BaseException:
        sock.close()
        raise


class ByHand:
    """A client that leaves it to the test which bytes go over the socket, and when."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self.sock = sock
        if sock.family == socket.AF_INET:
            # Every send is a segment of its own.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")

    def pending(self) -> bytes:
        """Return what OpenSSL wants to send."""
        return self._outgoing.read()

    def receive(self) -> None:
        """Hand OpenSSL what the server sends next."""
        data = self.sock.recv(65536)
        assert data, "the server closed the connection"
        self._incoming.write(data)

    def handshake(self, size: int = 65536) -> None:
        """Shake hands, sending so many bytes at a time."""
        while True:
            try:
                self.tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                done = False
            data = self.pending()
            for start in range(0, len(data), size):
                self.sock.sendall(data[start : start + size])
            if done:
                return
            self.receive()

    def encrypted(self, data: bytes) -> bytes:
        """Return a record, or several, to be sent by the test."""
        self.tls.write(data)
        return self.pending()

    def close_notify(self) -> bytes:
        """Return the message that says there is no more to come."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        return self.pending()

    def read_all(self) -> bytes:
        """Return all that the server sends until its close_notify."""
        received = b""
        while True:
            try:
                piece = self.tls.read(65536)
            except ssl.SSLWantReadError:
                self.receive()
                continue
            except ssl.SSLZeroReturnError:
                return received
            if not piece:
                return received
            received += piece
