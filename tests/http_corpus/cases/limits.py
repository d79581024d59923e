"""The limits, at their edges: what just fits and what is one too many."""

from __future__ import annotations

from dataclasses import replace

from corn_core.errors import BadChunk, BodyTooLarge, FieldsTooLarge, TargetTooLong, TruncatedRequest
from corn_core.http import Limits
from tests.http_corpus.case import Case, Message
from tests.http_corpus.drive import with_fields

LINE = Limits(request_line=20)
FIELDS = Limits(fields=3)
SIZE = Limits(field_size=20)
BODY = Limits(body=5)
NONE = Limits(request_line=0, fields=0, field_size=0, body=0)


def target(length: int) -> str:
    """Make a target that makes a GET's request line this long."""
    return "/" + "b" * (length - len("GET / HTTP/1.1"))


def get(target: str, lines: bytes = b"Host: a\r\n") -> bytes:
    return b"GET " + target.encode() + b" HTTP/1.1\r\n" + lines + b"\r\n"


def fits(name: str, length: int, limits: Limits) -> Case:
    long = target(length)
    return Case(name, "9112 3", get(long), (Message(target=long, path=long),), limits=limits)


def post(framing: bytes, body: bytes) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n" + body


def fields_cut(body: bytes) -> Message:
    fields = {"HTTP_TRANSFER_ENCODING": "chunked"}
    return with_fields(fields, method="POST", body=body, cut=True)


def sized(body: bytes) -> Message:
    return with_fields({"CONTENT_LENGTH": str(len(body))}, method="POST", body=body)


CHUNKED = b"Transfer-Encoding: chunked"
# Each chunk of one byte comes with 200 of extension: the debt grows by 185 or so a chunk.
GREEDY = (b"1;" + b"e" * 200 + b"\r\nb\r\n") * 200
TAKEN = 16 * 1024 // (202 - 16 - 2)

REQUEST_LINE = (
    fits("a line as long as allowed", 20, LINE),
    Case("a line one too long", "9112 3", get(target(21)), error=TargetTooLong, limits=LINE),
    Case("an endless line", "9112 3", b"GET /" + b"b" * 30, error=TargetTooLong, limits=LINE),
    Case("an endless method", "9112 3", b"G" * 21, error=TargetTooLong, limits=LINE),
    Case("a long line and a CR", "9112 3", b"G" * 20 + b"\rG", error=TargetTooLong, limits=LINE),
    Case("a long bad line", "9112 3", b"G" * 30 + b"\n", error=TargetTooLong, limits=LINE),
    fits("a line as long as by default", 4094, Limits()),
    Case("longer than by default", "9112 3", get(target(4095)), error=TargetTooLong),
    fits("no limit of a line", 20000, NONE),
)

HEAD_FIELDS = (
    Case(
        "as many fields as allowed",
        "6585 5",
        get("/", b"Host: a\r\nB: 1\r\nC: 2\r\n"),
        (with_fields({"HTTP_B": "1", "HTTP_C": "2"}),),
        limits=FIELDS,
    ),
    Case(
        "one field too many",
        "6585 5",
        get("/", b"Host: a\r\nB: 1\r\nC: 2\r\nD: 3\r\n"),
        error=FieldsTooLarge,
        error_target="/",
        limits=FIELDS,
    ),
    Case(
        "one too many, without an end",
        "6585 5",
        get("/", b"B: 1\r\n" * 4)[:-2],
        error=FieldsTooLarge,
        error_target="/",
        limits=FIELDS,
    ),
    Case(
        "dropped fields count",
        "6585 5",
        get("/", b"Host: a\r\n" + b"B_B: 1\r\n" * 3),
        error=FieldsTooLarge,
        error_target="/",
        limits=FIELDS,
    ),
    Case(
        "too many before one is wrong",
        "6585 5",
        get("/", b"B: 1\r\n" * 4 + b"C\n"),
        error=FieldsTooLarge,
        error_target="/",
        limits=FIELDS,
    ),
    Case(
        "a field as long as allowed",
        "6585 5",
        get("/", b"Host: a\r\nX-A: " + b"b" * 15 + b"\r\n"),
        (with_fields({"HTTP_X_A": "b" * 15}),),
        limits=SIZE,
    ),
    Case(
        "a field one too long",
        "6585 5",
        get("/", b"Host: a\r\nX-A: " + b"b" * 16 + b"\r\n"),
        error=FieldsTooLarge,
        error_target="/",
        limits=SIZE,
    ),
    Case(
        "an endless field",
        "6585 5",
        b"GET / HTTP/1.1\r\nX-A: " + b"b" * 30,
        error=FieldsTooLarge,
        error_target="/",
        limits=SIZE,
    ),
    Case(
        "a known field one too long",
        "6585 5",
        get("/", b"Host: a\r\nUser-Agent: corn-test\r\n"),
        error=FieldsTooLarge,
        error_target="/",
        limits=SIZE,
    ),
    Case(
        "a field longer than by default",
        "6585 5",
        get("/", b"Host: a\r\nX-A: " + b"b" * 8186 + b"\r\n"),
        error=FieldsTooLarge,
        error_target="/",
    ),
    Case(
        "more fields than by default",
        "6585 5",
        get("/", b"Host: a\r\n" + b"B: 1\r\n" * 100),
        error=FieldsTooLarge,
        error_target="/",
    ),
    Case(
        "no limit of a field's length",
        "6585 5",
        get("/", b"Host: a\r\nX-A: " + b"b" * 20_000 + b"\r\n"),
        (with_fields({"HTTP_X_A": "b" * 20_000}),),
        limits=Limits(field_size=0),
    ),
    Case(
        "no limit of fields",
        "6585 5",
        get("/", b"Host: a\r\n" + b"B: 1\r\n" * 200),
        (with_fields({"HTTP_B": ",".join("1" * 200)}),),
        limits=NONE,
    ),
)

BODIES = (
    Case(
        "a body as long as allowed",
        "9110 15.5.14",
        post(b"Content-Length: 5", b"hello"),
        (sized(b"hello"),),
        limits=BODY,
    ),
    Case(
        "a body one too long",
        "9110 15.5.14",
        post(b"Content-Length: 6", b"hello!"),
        error=BodyTooLarge,
        error_target="/",
        limits=BODY,
    ),
    Case(
        "chunks as long as allowed",
        "9110 15.5.14",
        post(CHUNKED, b"5\r\nhello\r\n0\r\n\r\n"),
        (sized(b"hello"),),
        limits=BODY,
    ),
    Case(
        "a chunk one too long",
        "9110 15.5.14",
        post(CHUNKED, b"6\r\n"),
        (fields_cut(b""),),
        BodyTooLarge,
        limits=BODY,
    ),
    Case(
        "chunks one too long",
        "9110 15.5.14",
        post(CHUNKED, b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"),
        (fields_cut(b"hello"),),
        BodyTooLarge,
        limits=BODY,
    ),
    Case(
        "no limit of a body",
        "9110 8.6",
        post(b"Content-Length: 99999999999999999", b"b"),
        (with_fields({"CONTENT_LENGTH": "99999999999999999"}, method="POST", body=b"b", cut=True),),
        TruncatedRequest,
        limits=NONE,
    ),
    Case(
        "an endless chunk extension",
        "9112 7.1.1",
        post(CHUNKED, b"5;" + b"e" * 5000),
        (fields_cut(b""),),
        BadChunk,
    ),
    Case(
        "more extensions than data",
        "9112 7.1.1",
        post(CHUNKED, GREEDY),
        (fields_cut(b"b" * TAKEN),),
        BadChunk,
    ),
    Case(
        "too many trailers",
        "6585 5",
        post(CHUNKED, b"0\r\n" + b"B: 1\r\n" * 4),
        (replace(fields_cut(b""), trailers=(("B", "1"),) * 3),),
        FieldsTooLarge,
        limits=FIELDS,
    ),
    Case(
        "an endless trailer",
        "6585 5",
        post(CHUNKED, b"0\r\nB: " + b"1" * 9000),
        (fields_cut(b""),),
        FieldsTooLarge,
    ),
)

CASES = (*REQUEST_LINE, *HEAD_FIELDS, *BODIES)
