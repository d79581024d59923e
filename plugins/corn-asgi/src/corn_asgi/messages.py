"""Reads the parts of the application's messages, and says what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

Message = Mapping[str, Any]
Fields = list[tuple[str, str]]

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_LINES = {status: f"{status} {reason}" for status, reason in _REASONS.items()}


class BadMessage(RuntimeError):
    """The application has sent what the ASGI specification does not allow here."""


class ClientGone(OSError):
    """The client has left, so that nothing can be sent to it (spec version 2.4)."""


def kind_of(message: Any) -> str:
    """Return the type of a message.

    :raises BadMessage: when it is not a dictionary with a type.
    """
    kind = message.get("type") if isinstance(message, Mapping) else None
    if not isinstance(kind, str):
        raise BadMessage(f"a message must be a dictionary with a 'type', not {message!r:.100}")
    return kind


def read_bytes(message: Message, key: str) -> bytes:
    """Return the octets under a key, which is optional.

    :raises BadMessage: when they are something else.
    """
    data = message.get(key, b"")
    if type(data) is bytes:
        return data
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    raise BadMessage(f"{key!r} of {message['type']} must be bytes, not {type(data).__name__}")


def read_status(message: Message) -> int:
    """Return the status of a final response.

    :raises BadMessage: when it is none.
    """
    status = message.get("status")
    if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 999:
        raise BadMessage(f"'status' of {message['type']} must be 200 to 999, not {status!r}")
    return int(status)


def read_fields(message: Message) -> Fields:
    """Return the header fields of a message as text, one character per octet.

    :raises BadMessage: when they are not pairs of bytes.
    """
    pairs: Any = message.get("headers", ())
    try:
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs]
    except (AttributeError, TypeError, ValueError):
        raise BadMessage(
            f"'headers' of {message['type']} must be pairs of bytes, name and value;"
            f" {_first_wrong(pairs)}"
        ) from None


def _first_wrong(pairs: Any) -> str:
    if not isinstance(pairs, Iterable):
        return f"got {pairs!r:.100}"
    if not isinstance(pairs, list | tuple):
        return "got something else"  # it can be iterated over only once
    for pair in pairs:
        if (
            not isinstance(pair, list | tuple)
            or len(pair) != 2
            or not all(isinstance(part, bytes) for part in pair)
        ):
            return f"got {pair!r:.100}"
    return f"got {pairs!r:.100}"


def reason_of(status: int) -> str:
    """Return the reason phrase of a status; empty for one that is not registered."""
    return _REASONS.get(status, "")


def line_of(status: int) -> str:
    """Return a status with its reason phrase, as in a status line."""
    return _LINES.get(status) or f"{status} "


def comes_from(error: BaseException, kind: type[BaseException]) -> bool:
    """Tell whether an exception is of a kind, or was raised because of one or while handling it."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, kind):
            return True
        if isinstance(seen, BaseExceptionGroup):
            return all(comes_from(each, kind) for each in seen.exceptions)
        seen = seen.__cause__ or seen.__context__
    return False
