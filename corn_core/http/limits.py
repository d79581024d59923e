"""The limits on a request, and the policy for ambiguous field names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from corn_core.setting import Setting, integer, one_of

HeaderMap = Literal["drop", "refuse", "keep"]
"""The ways to treat fields whose names have underscores, see the setting ``header_map``."""

GIBIBYTE = 1024 * 1024 * 1024
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on one request, in bytes without line ends; 0 means that a part has no limit.

    A head is held in memory, so its total size is always capped: at the sum of the individual
    limits, where each part without one counts as a mebibyte.

    :param request_line: longest request line; a longer one is answered 414.
    :param fields: most field lines in a head or a trailer section; more are answered 431.
    :param field_size: longest field line; a longer one is answered 431.
    :param body: longest body after decoding the transfer coding; a longer one is answered 413.
    :param header_map: what to do with a field with an underscore in its name, see the setting.
    :ivar head: the cap on the whole head.
    :ivar unsuspicious: in a head up to this length, no single line can be too long.
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
            " longer one is answered 414. A high limit lets clients fill memory before anything"
            " is known about them. With 0 only the cap on the whole head remains, in which this"
            " part counts as a mebibyte."
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
            "The most header fields in a request. More are answered 431. Together with"
            " limit_request_field_size it bounds the memory that a head can take. With 0 only"
            " the cap on the whole head remains, in which the fields count as a mebibyte."
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
            "The longest header field in a request, in bytes: name, colon and value. A longer"
            " one is answered 431. Large cookies need a high limit. With 0 only the cap on"
            " the whole head remains, in which the fields count as a mebibyte."
        ),
        flags=("--limit-request-field-size", "--limit-request-field_size"),
        metavar="BYTES",
    ),
    Setting(
        name="limit_request_body",
        section="Security",
        parse=integer(0),
        default=GIBIBYTE,
        default_text="1073741824 (1 GiB)",
        help=(
            "The longest request body, in bytes. A longer one is answered 413: at once if"
            " Content-Length announces it, otherwise when a chunk would exceed it. Bodies wait in"
            " tmp_upload_dir until the application is called, so this bounds the disk space"
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
            "What to do with a header field with an underscore in its name. WSGI turns hyphens"
            " into underscores, so an application cannot tell X_Forwarded_For, which a"
            " client sent through a proxy, from X-Forwarded-For, which the proxy set. drop leaves"
            " such fields out, refuse answers 400, keep passes them on. Even then, such a field"
            " cannot pass for one that decides framing, credentials or the client's origin, and a"
            " request with both spellings of one name is answered 400."
        ),
        flags=("--header-map",),
        choices=("drop", "refuse", "keep"),
    ),
)
