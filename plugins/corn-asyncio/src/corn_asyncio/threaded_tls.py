"""Encrypted connections that may be lent to threads; imports ``ssl``."""

from __future__ import annotations

from corn_asyncio.shared import FIELDS, SharedConnection
from corn_core.serving.tls import TLSConnection


class ThreadedTLSConnection(SharedConnection, TLSConnection):
    """A connection under TLS that a thread may have.

    The thread encrypts what it sends, and the loop decrypts nothing meanwhile: OpenSSL's state
    has one owner at a time, as the connection has. The send buffer holds ciphertext.
    """

    __slots__ = FIELDS
