"""Collects what WebSockets are granted, from the settings."""

from __future__ import annotations

from typing import NamedTuple

from corn_core.typing import Config


class WebSocketOptions(NamedTuple):
    """The settings ``websocket_*``; times in seconds, 0 for never."""

    max_size: int
    max_queue: int
    ping_interval: float
    ping_timeout: float
    compression: bool


def websocket_options(config: Config) -> WebSocketOptions:
    """Return the options of a configuration."""
    return WebSocketOptions(
        max_size=config.websocket_max_message_size,
        max_queue=config.websocket_max_queue,
        ping_interval=config.websocket_ping_interval,
        ping_timeout=config.websocket_ping_timeout,
        compression=config.websocket_compression,
    )
