"""Names and hosts seen before: a head that has them gets the answer that it got the first time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from corn_core.errors import BadRequest
from corn_core.http import Limits, RequestParser, fields, head
from tests.fuzzing import examples
from tests.http_corpus.cases import CASES
from tests.http_corpus.drive import Outcome, Reader

KNOWN = b"GET / HTTP/1.1\r\nHost: a\r\nAccept: b\r\nX-A: c\r\nCookie: d=e\r\n\r\n"


@pytest.fixture(autouse=True)
def nothing_seen() -> Iterator[None]:
    forget()
    yield
    forget()


def forget() -> None:
    fields._names.clear()
    head._hosts.clear()


def read(wire: bytes, limits: Limits | None = None) -> tuple[Outcome, str]:
    """Read a message; returns what came of it, with the text of the error."""
    reader = Reader(RequestParser(limits or Limits()))
    found = reader.run([wire])
    try:
        reader.parser.next_request()
    except BadRequest as error:
        return found, str(error)
    except RuntimeError:
        pass  # cut off within a body
    return found, ""


def test_the_corpus_reads_the_same_again() -> None:
    for case in CASES:
        forget()
        first = read(case.wire, case.limits)
        read(KNOWN)
        assert read(case.wire, case.limits) == first, case.name


names = st.sampled_from(["Accept", "X-A", "Cookie", "Host", "X-B", "X_A", "Accept ", " X-A", ""])
colons = st.sampled_from([":", ": ", ":\t ", "", " :", "::"])
values = st.sampled_from(
    ["", "a", "b c", "\r", "\n", "a\nX-B: c", "\x7f", "a\t ", "\xff", "a\r\nb"]
)
lines = st.lists(st.tuples(names, colons, values).map("".join), max_size=4)
policies = st.sampled_from(
    [Limits(header_map="drop"), Limits(header_map="refuse"), Limits(header_map="keep")]
)


@examples(300)
@given(lines, policies)
@example(["Accept"], Limits())
@example(["Accept: a\rX-A\n: b"], Limits())
def test_any_lines_read_the_same_again(found: list[str], limits: Limits) -> None:
    wire = "\r\n".join(["GET / HTTP/1.1", "Host: a", *found, "", ""]).encode("latin-1")
    forget()
    first = read(wire, limits)
    read(KNOWN)
    assert read(wire, limits) == first


@pytest.mark.parametrize("octet", [0, 1, 8, 0xB, 0xC, 0xE, 0x1F, 0x7F])
@pytest.mark.parametrize("name", ["Accept", "Host", "X-A"])
def test_known_names_do_not_admit_control_characters(name: str, octet: int) -> None:
    read(KNOWN)
    assert fields.known_name(name) is not None
    wire = f"GET / HTTP/1.1\r\nHost: a\r\n{name}: b{chr(octet)}c\r\n\r\n".encode("latin-1")
    _, text = read(wire)
    assert "control character" in text


def test_hosts_are_checked_once_and_few_are_kept() -> None:
    for number in range(3 * head._HOSTS):
        found, _ = read(f"GET / HTTP/1.1\r\nHost: a{number}\r\n\r\n".encode())
        assert found.error is None
        assert len(head._hosts) <= head._HOSTS
    assert f"a{number}" in head._hosts
    for wrong in ("a b", "a/b", "x" * (head._HOST_LENGTH + 1)):
        read(f"GET / HTTP/1.1\r\nHost: {wrong}\r\n\r\n".encode())
        assert wrong not in head._hosts


def test_malformed_host_is_shown() -> None:
    for _ in range(2):
        _, text = read(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n")
        assert text == "malformed Host: b'a b'"
