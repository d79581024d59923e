"""The settings of the asgi worker."""

from __future__ import annotations

from corn_core.plugin import Setting, boolean, hookimpl, integer, one_of, seconds

SECTION = "ASGI"
MEBIBYTE = 1024 * 1024

SETTINGS = (
    Setting(
        name="asgi_loop",
        section=SECTION,
        parse=one_of("auto", "asyncio", "uvloop"),
        default="auto",
        help=(
            "The event loop of the asgi worker. auto means uvloop if it is installed"
            " (pip install corn-asgi[uvloop]), and asyncio's own loop otherwise."
        ),
        flags=("--asgi-loop",),
        choices=("auto", "asyncio", "uvloop"),
    ),
    Setting(
        name="asgi_lifespan",
        section=SECTION,
        parse=one_of("auto", "on", "off"),
        default="auto",
        help=(
            "Whether the application is told when its worker starts and stops (ASGI's lifespan"
            " protocol). With auto, an application that raises when it is called with the scope"
            " lifespan is taken not to support it. With on, that is a failed start. In both"
            " cases, an application that says that its startup has failed fails the worker's"
            " boot: nothing is served, and a reload keeps the old workers."
        ),
        flags=("--asgi-lifespan",),
        choices=("auto", "on", "off"),
    ),
    Setting(
        name="websocket_max_message_size",
        section=SECTION,
        parse=integer(1),
        default=16 * MEBIBYTE,
        help=(
            "The longest WebSocket message that a client may send to an asgi worker, in bytes,"
            " before compression. A longer one ends the socket with close code 1009, as soon as"
            " its length is known."
        ),
        flags=("--websocket-max-message-size",),
        metavar="BYTES",
    ),
    Setting(
        name="websocket_max_queue",
        section=SECTION,
        parse=integer(1),
        default=32,
        help=(
            "The number of WebSocket messages that wait for an application which does not"
            " receive. At this number, or when they add up to websocket_max_message_size,"
            " nothing more is read from the client until the application receives. Pings are"
            " answered until then."
        ),
        flags=("--websocket-max-queue",),
        metavar="INT",
    ),
    Setting(
        name="websocket_ping_interval",
        section=SECTION,
        parse=seconds,
        default=20.0,
        help=(
            "The seconds between the pings that the asgi worker sends to WebSocket clients, which"
            " keep proxies from closing a quiet socket and find clients that are gone. 0 sends"
            " none."
        ),
        flags=("--websocket-ping-interval",),
        metavar="SECONDS",
    ),
    Setting(
        name="websocket_ping_timeout",
        section=SECTION,
        parse=seconds,
        default=20.0,
        help=(
            "The seconds a WebSocket client has for answering a ping. After that its socket is"
            " closed with code 1011. 0 waits for ever."
        ),
        flags=("--websocket-ping-timeout",),
        metavar="SECONDS",
    ),
    Setting(
        name="websocket_compression",
        section=SECTION,
        parse=boolean,
        default=True,
        help=(
            "Whether WebSocket messages are compressed for clients that offer it"
            " (permessage-deflate). Each message is compressed by itself, so that an idle socket"
            " needs no memory for it."
        ),
        flags=("--websocket-compression", "--no-websocket-compression"),
        action="store_true",
    ),
)


@hookimpl
def corn_settings() -> tuple[Setting, ...]:
    return SETTINGS
