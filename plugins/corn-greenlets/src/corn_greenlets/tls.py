"""The same over TLS. Imports ``ssl``, so only a worker that speaks TLS imports this module."""

from __future__ import annotations

from corn_core.serving.tls import TLSConnection
from corn_greenlets.connection import GreenletConnection


class GreenletTLSConnection(TLSConnection, GreenletConnection):
    """Encrypts as the one, and sends what that gives as the other."""

    __slots__ = ()
