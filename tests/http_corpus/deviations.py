"""The cases in which corn knowingly differs from h11 or httptools, and the reasons."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

BOTH = ("h11", "httptools")
H11 = ("h11",)
HTTPTOOLS = ("httptools",)


@dataclass(frozen=True)
class Deviation:
    """Cases, by patterns of their names, that the peers judge differently."""

    peers: tuple[str, ...]
    why: str
    cases: tuple[str, ...]

    def covers(self, peer: str, case: str) -> bool:
        return peer in self.peers and any(fnmatchcase(case, one) for one in self.cases)


# What corn takes and a peer refuses.
MILDER = (
    Deviation(
        HTTPTOOLS,
        "any token is a method (RFC 9110 section 9.1), not only the ones of a list",
        ("a method of one's own", "a method in lower case", "a method of every tchar"),
    ),
    Deviation(
        BOTH, "clients send UTF-8 without escaping it, and no framing depends on it", ("raw UTF-8",)
    ),
    Deviation(
        BOTH,
        "bad white space has to be taken (RFC 9112 section 7.1.1)",
        ("white space in extensions",),
    ),
    Deviation(HTTPTOOLS, "OWS may be a tab (RFC 9110 section 5.6.3)", ("chunked and white space",)),
    Deviation(
        H11,
        "one empty line before a request should be skipped (RFC 9112 section 2.2)",
        ("an empty line first", "an empty line between each"),
    ),
    Deviation(
        BOTH,
        "a trailer field that says how long the body is may be ignored (RFC 9110 section 6.5.1)",
        ("[Tt]ransfer-[Ee]ncoding as a trailer",),
    ),
    Deviation(
        HTTPTOOLS,
        "likewise, and httptools merges trailer fields into the head",
        ("Content-Length as a trailer", "a trailer between dropped ones"),
    ),
)

# What a peer takes and corn refuses.
STRICTER = (
    Deviation(H11, "HTTP/2.0 is not supported", ("the preface of HTTP/2",)),
    Deviation(HTTPTOOLS, "HTTP/0.9 is not supported", ("HTTP/0.9",)),
    Deviation(
        HTTPTOOLS,
        "there is one space between the parts of a request line (RFC 9112 section 3)",
        ("two spaces before the *",),
    ),
    Deviation(
        BOTH,
        "what a target may be, and of which method (RFC 9112 section 3.2); they leave it to others",
        (
            *("a fragment", "a fragment alone", "a relative target*", "a query alone", "GET [*]"),
            *("absolute-form *", "two asterisks", "CONNECT *", "authority-form *"),
        ),
    ),
    Deviation(
        BOTH,
        "one valid Host in HTTP/1.1, and no invalid one in HTTP/1.0 (RFC 9112 section 3.2)",
        (
            "two *Hosts*",
            "two hosts in one Host",
            "a Host *",
            "a bad Host *",
            "no Host",
            "no fields *",
        ),
    ),
    Deviation(BOTH, "two content types leave it open which one counts", ("two content types",)),
    Deviation(
        BOTH, "unknown expectations are 417 (RFC 9110 section 10.1.1)", ("another expectation*",)
    ),
    Deviation(
        H11,
        "control characters are not part of a value (RFC 9110 section 5.5)",
        ("a control character in the value", "an escape in the value", "a DEL in the value"),
    ),
    Deviation(
        H11,
        "a bare LF may end a line (RFC 9112 section 2.2), and for safety does not",
        ("a bare LF *", "bare LF everywhere"),
    ),
    Deviation(
        HTTPTOOLS,
        "more than one CRLF, or another line end, is not how a request begins",
        ("two empty lines", "an empty line *"),
    ),
    Deviation(
        H11,
        "folded lines are to be refused or repaired (RFC 9112 section 5.2); refusing is safer",
        ("*folded*",),
    ),
    Deviation(
        H11,
        "equal lengths in a list may be taken for one (RFC 9112 section 6.3); refusing is safer",
        ("a list of equal lengths",),
    ),
    Deviation(
        H11,
        "both lengths may be a smuggling attempt and ought to be an error (RFC 9112 section 6.1)",
        ("a length and chunked", "chunked and a length*"),
    ),
    Deviation(
        BOTH, "HTTP/1.0 has no transfer codings (RFC 9112 section 6.1)", ("chunked in HTTP/1.0",)
    ),
    Deviation(
        HTTPTOOLS,
        "empty members may be ignored (RFC 9110 section 5.6.1), but not where it decides framing",
        ("a comma before chunked",),
    ),
    Deviation(
        BOTH,
        "the grammar of chunk sizes and extensions (RFC 9112 section 7.1) to the letter",
        (
            *(
                "a space after a size",
                "a size of many zeros",
                "an empty extension",
                "an open quote",
            ),
            *("an extension without a name", "an extension that is not finished"),
            *("a word after an extension", "white space after an extension"),
            *("a bare CR in *", "a NUL in an extension"),
        ),
    ),
)

DEVIATIONS = (*MILDER, *STRICTER)
