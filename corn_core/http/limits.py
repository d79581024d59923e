"""What a request may cost: the limits, and the policy for ambiguous field names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from corn_core.settings.model import Setting, integer, one_of

HeaderMap = Literal["drop", "refuse", "keep"]

GIBIBYTE = 1024 * 1024 * 1024
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one request, in bytes and without line ends; 0 means no limit of its own.

    A head is held in memory, so there is always a cap on the whole of it: what the single
    limits add up to, with a mebibyte in place of each part that has none.

    :param request_line: longest request line; a longer one is answered 414.
    :param fields: most field lines in a head, and in a trailer section; more are 431.
    :param field_size: longest field line; a longer one is answered 431.
    :param body: longest body after the transfer coding was undone; a longer one is 413.
    :param header_map: what becomes of a field with an underscore in its name, see the setting.
    :ivar head: the cap on the whole head.
    :ivar unsuspicious: in a head up to this length, no line can be too long.
    :ivar most_fields: ``fields``, or a number that no head can reach.
    """

    request_line: int = 4094
    fields: int = 100
    field_size: int = 8190
    body: int = GIBIBYTE
    header_map: HeaderMap = "drop"
    head: int = field(init=False)
    unsuspicious: int = field(init=False)
    most_fields: int = field(init=False)

    def __post_init__(self) -> None:
        section = self.fields * (self.field_size + 2) if self.field_size else 0
        # Two bytes for the end of each line, the blank one included.
        head = (self.request_line or MEBIBYTE) + (section or MEBIBYTE) + 4
        longest = min(self.request_line or head, self.field_size or head)
        # The documented way to compute a field of a frozen dataclass.
        object.__setattr__(self, "head", head)
        object.__setattr__(self, "unsuspicious", longest)
        object.__setattr__(self, "most_fields", self.fields or head)


SETTINGS = (
    Setting(
        name="limit_request_line",
        section="Security",
        parse=integer(0, 8190),
        default=4094,
        help=(
            "The longest request line, in bytes: method, target with its query, and version. A"
            " longer one is answered 414. A long limit lets clients fill memory before anything"
            " is known of them. 0 leaves only the cap on the whole head, where this part counts"
            " for a mebibyte."
        ),
        flags=("--limit-request-line",),
        metavar="BYTES",
    ),
    Setting(
        name="limit_request_fields",
        section="Security",
        parse=integer(0, 32768),
        default=100,
        help=(
            "The most header fields of a request. More are answered 431. Together with"
            " limit_request_field_size it bounds the memory that a head can take. 0 leaves only"
            " the cap on the whole head, where the fields count for a mebibyte."
        ),
        flags=("--limit-request-fields",),
        metavar="INT",
    ),
    Setting(
        name="limit_request_field_size",
        section="Security",
        parse=integer(0, 8190),
        default=8190,
        help=(
            "The longest header field of a request, in bytes: name, colon and value. A longer"
            " one is answered 431. Large cookies need a large limit. 0 leaves only the cap on"
            " the whole head, where the fields count for a mebibyte."
        ),
        flags=("--limit-request-field_size", "--limit-request-field-size"),
        metavar="BYTES",
    ),
    Setting(
        name="limit_request_body",
        section="Security",
        parse=integer(0),
        default=GIBIBYTE,
        help=(
            "The longest body of a request, in bytes. A longer one is answered 413: at once when"
            " Content-Length announces it, and else when a chunk would exceed it. Bodies wait in"
            " tmp_upload_dir before the application is called, so this bounds the disk space"
            " that one client can take. 0 sets no limit."
        ),
        flags=("--limit-request-body",),
        metavar="BYTES",
    ),
    Setting(
        name="header_map",
        section="Security",
        parse=one_of("drop", "refuse", "keep"),
        default="drop",
        help=(
            "What becomes of a header field with an underscore in its name. WSGI turns hyphens"
            " into underscores, so that an application cannot tell X_Forwarded_For, which a"
            " client sent through a proxy, from X-Forwarded-For, which the proxy set. drop leaves"
            " such fields out, refuse answers 400, keep passes them on. Even then, none can pose"
            " as a field that decides about framing, credentials or the client's origin, and a"
            " request with both spellings of one name is answered 400."
        ),
        flags=("--header-map",),
        choices=("drop", "refuse", "keep"),
    ),
)
