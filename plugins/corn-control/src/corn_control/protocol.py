"""The protocol of the control socket, without a socket: lines of JSON in both directions.

A client sends requests, each an object on a line of its own, and gets one answer for each, in the
same order. The page "Controlling a server" in the documentation describes the fields.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

VERSION = 1
"""The version of the protocol; each request and each answer has it."""

MAX_LINE = 16384
"""The most bytes of a request, with its newline."""

DEFAULT_TIMEOUT = 60.0
"""Seconds after which an answer says that the command is not done yet, if the request is silent."""

MAX_TIMEOUT = 3600.0

FIELDS = ("v", "command", "arguments", "timeout", "id")


class Refusal(Exception):
    """A request cannot be answered as asked.

    :ivar code: one word for programs; the text is for people.
    :ivar id: the request's own id, as far as it could be read.
    """

    def __init__(self, code: str, message: str, id: str | int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.id = id


class Request(NamedTuple):
    """One request.

    :param timeout: seconds within which it must be answered.
    :param id: what the answer is to repeat; None for nothing.
    """

    command: str
    arguments: Mapping[str, Any]
    timeout: float = DEFAULT_TIMEOUT
    id: str | int | None = None


class Lines:
    """Cuts what a client sends into lines, of which none may be longer than :data:`MAX_LINE`."""

    def __init__(self) -> None:
        self._unread = bytearray()

    def __len__(self) -> int:
        """Return how many bytes wait to be read."""
        return len(self._unread)

    def feed(self, data: bytes) -> None:
        self._unread += data

    def next(self) -> bytes | None:
        """Return the next line; None if there is no complete one.

        :raises Refusal: when it is too long, complete or not.
        """
        end = self._unread.find(b"\n", 0, MAX_LINE)
        if end < 0:
            if len(self._unread) >= MAX_LINE:
                raise Refusal("too-long", f"a line may have {MAX_LINE} bytes at most")
            return None
        line = bytes(self._unread[:end])
        del self._unread[: end + 1]
        return line


def parse(line: bytes) -> Request:
    """Read a request.

    :raises Refusal: when it is not one.
    """
    try:
        given = json.loads(line)
    except (ValueError, RecursionError):
        raise Refusal("bad-json", "a request is a JSON object on one line") from None
    if not isinstance(given, dict):
        raise Refusal("bad-json", "a request is a JSON object on one line")
    id = given.get("id")
    if id is not None and (not isinstance(id, str | int) or isinstance(id, bool)):
        raise Refusal("bad-request", "id: expected a text or a whole number")
    try:
        return _understand(given, id)
    except Refusal as refusal:
        refusal.id = id
        raise


def _understand(given: dict[str, Any], id: str | int | None) -> Request:
    if given.get("v") != VERSION or isinstance(given["v"], bool):
        raise Refusal("bad-version", f"v: this server speaks version {VERSION} only")
    unknown = sorted(given.keys() - set(FIELDS))
    if unknown:
        raise Refusal("bad-request", f"unknown field {unknown[0]!r}; there are {', '.join(FIELDS)}")
    command = given.get("command")
    if not isinstance(command, str) or not command:
        raise Refusal("bad-request", "command: expected the name of a command")
    arguments = given.get("arguments", {})
    if not isinstance(arguments, dict):
        raise Refusal("bad-request", "arguments: expected an object")
    return Request(command, arguments, _timeout(given.get("timeout", DEFAULT_TIMEOUT)), id)


def _timeout(given: object) -> float:
    number = isinstance(given, int | float) and not isinstance(given, bool)
    # Compared, never converted: JSON's whole numbers may be too large for a float.
    if not number or not 0 <= given <= MAX_TIMEOUT:  # type: ignore[operator]
        raise Refusal("bad-request", f"timeout: expected seconds from 0 to {MAX_TIMEOUT:g}")
    return float(given)  # type: ignore[arg-type]


def ask(request: Request) -> bytes:
    """Write a request as a line."""
    fields = {"v": VERSION, "command": request.command, "arguments": dict(request.arguments)}
    return _line({**fields, "timeout": request.timeout, "id": request.id})


def answer(result: object, id: str | int | None) -> bytes:
    """Write the answer to a request that was carried out.

    :raises TypeError: when the result cannot be written as JSON; also ``ValueError``.
    """
    return _line({"v": VERSION, "id": id, "ok": True, "result": result})


def refuse(refusal: Refusal) -> bytes:
    """Write the answer to a request that was not carried out."""
    error = {"code": refusal.code, "message": str(refusal)}
    return _line({"v": VERSION, "id": refusal.id, "ok": False, "error": error})


def _line(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode() + b"\n"
