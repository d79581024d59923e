from __future__ import annotations

from collections.abc import Iterator

import pytest

from corn_core.errors import BadFieldLine
from corn_core.http import fields
from corn_core.http.limits import HeaderMap

POLICIES: tuple[HeaderMap, ...] = ("drop", "refuse", "keep")


@pytest.fixture(autouse=True)
def empty_memo() -> Iterator[None]:
    fields._names.clear()
    yield
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
        assert fields.read_field(f"{name}: 1", "drop") == (key, "1")


def test_names_are_remembered_as_they_were_sent() -> None:
    assert fields.known_name("User-Agent") is None
    assert fields.read_field("User-Agent: \t corn-test ", "drop") == (
        "HTTP_USER_AGENT",
        "corn-test",
    )
    assert fields.known_name("User-Agent") == "HTTP_USER_AGENT"
    assert fields.known_name("user-agent") is None


def test_long_names_are_not_kept() -> None:
    name = "x" * (fields.MEMO_NAME + 1)
    assert fields.read_field(f"{name}: 1", "drop") == (f"HTTP_{name.upper()}", "1")
    assert fields.known_name(name) is None


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("line", ["User_Agent: x", "X_A: b", "ACCEPT_language: x"])
def test_nothing_that_depends_on_the_policy_is_kept(policy: HeaderMap, line: str) -> None:
    for one in POLICIES:
        try:
            fields.read_field(line, one)
        except BadFieldLine:
            assert one == "refuse"
        assert not fields._names
    if policy == "refuse":
        with pytest.raises(BadFieldLine, match="underscore"):
            fields.read_field(line, policy)
    else:
        assert (fields.read_field(line, policy) is None) is (policy == "drop")


def test_names_of_wrong_lines_are_not_kept() -> None:
    for line in ("Host", "User-Agent : x", "Accept: \0"):
        with pytest.raises(BadFieldLine):
            fields.read_field(line, "drop")
        assert not fields._names


def test_memo_is_bounded() -> None:
    for number in range(3 * fields.MEMO_SIZE):
        fields.read_field(f"X-{number}: 1", "drop")
        assert len(fields._names) <= fields.MEMO_SIZE
    assert fields.known_name(f"X-{number}") == f"HTTP_X_{number}"


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (" a: b", "white space at the beginning"),
        ("\ta: b", "white space at the beginning"),
        ("a b", "no ':'"),
        ("a : b", r"space before ':' in field name: b'a '"),
        ("a\t: b", "space before ':'"),
        ("a b: c", "not a field name: b'a b'"),
        (": b", "not a field name: b''"),
        ("a: b\rc", "bare CR or LF"),
        ("a: b\nc", "bare CR or LF"),
        ("a: \x01", "control character in the value of field b'a'"),
    ],
)
def test_error_says_what_is_wrong(line: str, text: str) -> None:
    with pytest.raises(BadFieldLine, match=text.replace("\\", "\\\\")):
        fields.read_field(line, "drop")


VOUCHED = ["Content_Length", "Transfer_Encoding", "X_Forwarded_For", "X-Forwarded_Proto"]


@pytest.mark.parametrize("name", [*VOUCHED, "X_Real_IP", "Proxy_Authorization", "Content_Type"])
def test_nothing_poses_as_what_a_proxy_vouches_for(name: str) -> None:
    assert fields.read_field(f"{name}: 1", "keep") is None


def test_both_spellings_are_refused() -> None:
    fields.refuse_both_spellings([("X-A", "1"), ("X-A", "2"), ("X_B", "1"), ("X_B", "2")])
    with pytest.raises(BadFieldLine, match=r"X-A.*X_A"):
        fields.refuse_both_spellings([("X-A", "1"), ("X-B", "1"), ("X_A", "2")])
