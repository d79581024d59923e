"""The same over TLS. Imported only by a worker that speaks TLS, for it imports ``ssl``."""

from __future__ import annotations

from corn_core.serving.streamed import StreamConnection
from corn_core.serving.tls import TLSConnection


class StreamTLSConnection(TLSConnection, StreamConnection):
    """Encrypts as the one, and sends what that gives as the other."""

    __slots__ = ()
