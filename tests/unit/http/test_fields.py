from __future__ import annotations

from collections.abc import Iterator

import pytest

from corn_core.errors import BadFieldLine
from corn_core.http import fields
from corn_core.http.limits import HeaderMap

POLICIES: tuple[HeaderMap, ...] = ("drop", "refuse", "keep")


@pytest.fixture(autouse=True)
def empty_memo() -> Iterator[None]:
    fields._lines.clear()
    fields._names.clear()
    yield
    fields._lines.clear()
    fields._names.clear()


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Host", "HTTP_HOST"),
        ("x-a-B", "HTTP_X_A_B"),
        ("content-type", "CONTENT_TYPE"),
        ("CONTENT-LENGTH", "CONTENT_LENGTH"),
        ("Content-Encoding", "HTTP_CONTENT_ENCODING"),
        ("X.Y", "HTTP_X.Y"),
    ],
)
def test_environ_name(name: str, key: str) -> None:
    assert fields.environ_name(name) == key
    for _ in range(2):
        assert fields.read_field(f"{name}: 1".encode(), "drop") == (key, "1")


def test_steady_line_is_remembered_as_it_was_read() -> None:
    line = b"User-Agent: \t corn-test "
    assert fields.recall(line) is None
    pair = fields.read_field(line, "drop")
    assert pair == ("HTTP_USER_AGENT", "corn-test")
    assert fields.recall(line) == pair


@pytest.mark.parametrize(
    "line",
    [
        b"Cookie: session=1",
        b"Authorization: Basic YTpi",
        b"Proxy-Authorization: Basic YTpi",
        b"X-Api-Key: secret",
        b"X-Forwarded-For: 127.0.0.1",
        b"Content-Length: 5",
        b"X-Request-Id: 1",
        b"User-Agent: " + b"x" * fields.MEMO_LINE,
    ],
)
def test_secret_unique_and_long_lines_are_not_kept(line: bytes) -> None:
    assert fields.read_field(line, "drop") is not None
    assert fields.recall(line) is None


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("line", [b"User_Agent: x", b"X_A: b", b"ACCEPT_language: x"])
def test_nothing_that_depends_on_the_policy_is_kept(policy: HeaderMap, line: bytes) -> None:
    for one in POLICIES:
        try:
            fields.read_field(line, one)
        except BadFieldLine:
            assert one == "refuse"
        assert fields.recall(line) is None
    if policy == "refuse":
        with pytest.raises(BadFieldLine, match="underscore"):
            fields.read_field(line, policy)
    else:
        assert (fields.read_field(line, policy) is None) is (policy == "drop")


def test_wrong_line_is_not_kept() -> None:
    for line in (b"Host: a b", b"User-Agent : x", b"Accept: \0"):
        with pytest.raises(BadFieldLine):
            fields.read_field(line, "drop")
        assert fields.recall(line) is None


def test_memos_are_bounded() -> None:
    for number in range(3 * fields.MEMO_SIZE):
        fields.read_field(b"User-Agent: %d" % number, "drop")
        fields.read_field(b"X-%d: 1" % number, "drop")
        assert len(fields._lines) <= fields.MEMO_SIZE
        assert len(fields._names) <= fields.MEMO_SIZE
    assert fields.recall(b"User-Agent: %d" % number) == ("HTTP_USER_AGENT", str(number))


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b" a: b", "white space at the beginning"),
        (b"\ta: b", "white space at the beginning"),
        (b"a b", "no ':'"),
        (b"a : b", r"space before ':' in field name: b'a '"),
        (b"a\t: b", "space before ':'"),
        (b"a b: c", "not a field name: b'a b'"),
        (b": b", "not a field name: b''"),
        (b"a: b\rc", "bare CR or LF"),
        (b"a: b\nc", "bare CR or LF"),
        (b"a: \x01", "control character in the value of field b'a'"),
        (b"Host: a b", "malformed Host: b'a b'"),
    ],
)
def test_error_says_what_is_wrong(line: bytes, text: str) -> None:
    with pytest.raises(BadFieldLine, match=text.replace("\\", "\\\\")):
        fields.read_field(line, "drop")


VOUCHED = ["Content_Length", "Transfer_Encoding", "X_Forwarded_For", "X-Forwarded_Proto"]


@pytest.mark.parametrize("name", [*VOUCHED, "X_Real_IP", "Proxy_Authorization", "Content_Type"])
def test_nothing_poses_as_what_a_proxy_vouches_for(name: str) -> None:
    assert fields.read_field(f"{name}: 1".encode(), "keep") is None


def test_both_spellings_are_refused() -> None:
    fields.refuse_both_spellings([("X-A", "1"), ("X-A", "2"), ("X_B", "1"), ("X_B", "2")])
    with pytest.raises(BadFieldLine, match=r"X-A.*X_A"):
        fields.refuse_both_spellings([("X-A", "1"), ("X-B", "1"), ("X_A", "2")])
