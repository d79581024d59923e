"""Encrypted connections that may be lent to threads; imports ``ssl``."""

from __future__ import annotations

from corn_core.serving.lendable import FIELDS, Lendable
from corn_core.serving.tls import TLSConnection


class PooledTLSConnection(Lendable, TLSConnection):
    """A connection under TLS that a thread may have.

    The thread encrypts what it sends, and the loop decrypts nothing meanwhile: OpenSSL's state
    has one owner at a time, as the connection has. The send buffer holds ciphertext.
    """

    __slots__ = FIELDS
