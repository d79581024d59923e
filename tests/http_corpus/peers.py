"""Parses the first message of some wire data with h11 and httptools."""

from __future__ import annotations

from typing import Any

import h11
import httptools

Verdict = tuple[str, str, bytes] | None
"""Method, target and body of the first message; ``None`` when it was refused or is not whole."""


def ask_h11(wire: bytes) -> Verdict:
    connection = h11.Connection(h11.SERVER)
    request: h11.Request | None = None
    body = b""
    try:
        connection.receive_data(wire)
        connection.receive_data(b"")
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage) and request is not None:
                return request.method.decode(), request.target.decode("latin-1"), body
            else:
                return None
    except h11.RemoteProtocolError:
        return None


class _First:
    """Collects the first message; the names are httptools'."""

    def __init__(self) -> None:
        self.parser: Any = None
        self.url = b""
        self.body = b""
        self.verdict: Verdict = None

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        if self.verdict is None:
            method = self.parser.get_method().decode()
            self.verdict = method, self.url.decode("latin-1"), self.body


def ask_httptools(wire: bytes) -> Verdict:
    first = _First()
    first.parser = httptools.HttpRequestParser(first)
    try:
        first.parser.feed_data(wire)
    except httptools.HttpParserUpgrade:
        # It stops after the head then, and takes what follows for another protocol.
        pass
    except httptools.HttpParserError:
        # What came before the error counts: the first message may have been complete.
        pass
    return first.verdict


PEERS = {"h11": ask_h11, "httptools": ask_httptools}
