"""Properties of the whole, on generated input."""

from __future__ import annotations

import string
from dataclasses import dataclass

import h11
from hypothesis import assume, example, given
from hypothesis import strategies as st

from corn_core.errors import BadRequest, BadResponse
from corn_core.http import (
    LAST_CHUNK,
    Limits,
    RequestParser,
    encode_chunk,
    encode_head,
    encode_informational,
)
from corn_core.http.fields import environ_name
from tests.fuzzing import examples
from tests.http_corpus.cases import CASES
from tests.http_corpus.drive import Outcome, Reader, bytewise, cut_at

quick = examples(150)

TCHAR = "!#$%&'*+-.^_`|~" + string.digits + string.ascii_letters
tokens = st.text(TCHAR, min_size=1, max_size=12)
latin = st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f")
values = st.text(latin, max_size=30).map(lambda text: text.strip(" \t"))
visible = st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="#\x7f")
targets = st.text(visible, max_size=30).map(lambda text: "/" + text)
pieces = st.lists(st.binary(min_size=1, max_size=40), max_size=4)

# What the parser acts upon is left to other tests: here a field is only carried.
ACTED_UPON = {
    *("connection", "content-length", "content-type", "cookie", "expect", "host"),
    *("transfer-encoding", "upgrade"),
}
names = tokens.filter(lambda name: "_" not in name and name.lower() not in ACTED_UPON)


@dataclass(frozen=True)
class Sent:
    """A request as a client means it."""

    method: str
    target: str
    fields: tuple[tuple[str, str], ...]
    chunks: tuple[bytes, ...]
    chunked: bool

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def wire(self) -> bytes:
        framing = ("Content-Length", str(len(self.body)))
        if self.chunked:
            framing = ("Transfer-Encoding", "chunked")
        lines = [f"{self.method} {self.target} HTTP/1.1", "Host: a", f"{framing[0]}: {framing[1]}"]
        lines += [f"{name}: {value}" for name, value in self.fields]
        head = "".join(line + "\r\n" for line in lines).encode("latin-1") + b"\r\n"
        if not self.chunked:
            return head + self.body
        return head + b"".join(map(encode_chunk, self.chunks)) + LAST_CHUNK


requests = st.builds(
    Sent,
    method=tokens.filter(lambda method: method != "CONNECT"),
    target=targets,
    fields=st.lists(st.tuples(names, values), max_size=5).map(tuple),
    chunks=pieces.map(tuple),
    chunked=st.booleans(),
)


def outcome(wire: list[bytes], limits: Limits | None = None) -> Outcome:
    return Reader(RequestParser(limits or Limits())).run(wire)


@st.composite
def cuts(draw: st.DrawFn, wire: bytes) -> list[bytes]:
    return cut_at(wire, draw(st.lists(st.integers(0, len(wire)), max_size=8)))


@quick
@given(st.lists(requests, min_size=1, max_size=3), st.data())
def test_what_is_sent_is_what_is_read(sent: list[Sent], data: st.DataObject) -> None:
    wire = b"".join(one.wire for one in sent)
    found = outcome(data.draw(cuts(wire)))
    assert found.error is None
    assert len(found.messages) == len(sent)
    for one, message in zip(sent, found.messages, strict=True):
        assert (message.method, message.target, message.body) == (one.method, one.target, one.body)
        assert message.path + ("?" if "?" in one.target else "") + message.query == one.target
        fields: dict[str, list[str]] = {}
        for name, value in one.fields:
            fields.setdefault(environ_name(name), []).append(value)
        for name, found_values in fields.items():
            assert message.fields[name] == ",".join(found_values)
        assert len(message.fields) == len(fields) + 2


# Near misses find more than noise: messages of the corpus, with a few octets changed.
noise = st.binary(max_size=200)
corpus = st.sampled_from([case.wire for case in CASES if len(case.wire) < 1000])
telling = st.sampled_from([b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b":", b",", b";", b"0", b"_"])


@st.composite
def near_misses(draw: st.DrawFn) -> bytes:
    wire = draw(corpus)
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(wire)))
        end = min(len(wire), start + draw(st.integers(0, 3)))
        wire = wire[:start] + draw(telling | st.binary(max_size=3)) + wire[end:]
    return wire


limits = st.builds(
    Limits,
    request_line=st.sampled_from([0, 15, 20, 4094]),
    fields=st.sampled_from([0, 1, 2, 100]),
    field_size=st.sampled_from([0, 10, 30, 8190]),
    body=st.sampled_from([0, 3, 1000]),
    header_map=st.sampled_from(["drop", "refuse", "keep"]),
)


@examples(600)
@given(near_misses() | noise, limits, st.data())
@example(b"\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Limits(), None)
@example(
    b"GET / HTTP/1.1\r\nHost: a\r\nX-A-B: \nc\r\n\r\n",
    Limits(request_line=15, fields=1, field_size=10),
    None,
)
def test_any_cut_gives_the_same_and_only_bad_requests_are_raised(
    wire: bytes, limits: Limits, data: st.DataObject | None
) -> None:
    whole = outcome([wire], limits)
    assert whole.error is None or issubclass(whole.error, BadRequest)
    assert outcome(bytewise(wire), limits) == whole
    if data is not None:
        assert outcome(data.draw(cuts(wire)), limits) == whole


@examples(300)
@given(near_misses())
def test_framing_fields_come_from_no_other_field(wire: bytes) -> None:
    for message in outcome([wire], Limits(header_map="keep")).messages:
        head = wire.lower()
        if "CONTENT_LENGTH" in message.fields:
            assert b"content-length:" in head or b"transfer-encoding:" in head
        if "HTTP_TRANSFER_ENCODING" in message.fields:
            assert b"transfer-encoding:" in head


@quick
@given(pieces, st.data())
def test_chunks_decode_to_what_was_encoded(chunks: list[bytes], data: st.DataObject) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    wire = head + b"".join(map(encode_chunk, chunks)) + LAST_CHUNK
    found = outcome(data.draw(cuts(wire)))
    assert found.error is None
    assert [message.body for message in found.messages] == [b"".join(chunks)]


response_fields = st.lists(
    st.tuples(tokens, values) | st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=5
)
statuses = st.sampled_from(["200 OK", "204 No Content", "304 Not Modified", "404 x", "299 caf\xe9"])


@examples(400)
@given(
    statuses,
    response_fields,
    st.sampled_from(["GET", "HEAD", "POST"]),
    st.booleans(),
    st.booleans(),
    pieces,
)
def test_response_is_refused_or_h11_reads_the_same(
    status: str,
    fields: list[tuple[str, str]],
    method: str,
    keep_alive: bool,
    known: bool,
    chunks: list[bytes],
) -> None:
    # A Content-Length of the application's that is not the body's is for the request cycle.
    assume(all(name.lower() != "content-length" for name, _ in fields))
    body = b"".join(chunks)
    try:
        head = encode_head(
            status,
            fields,
            method=method,
            version=(1, 1),
            keep_alive=keep_alive,
            date=b"Fri, 20 Nov 2026 19:00:00 GMT",
            body_length=len(body) if known else None,
        )
    except BadResponse:
        return
    frames = [encode_chunk(chunk) for chunk in chunks] + [LAST_CHUNK] if head.chunked else chunks
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(head.data + b"".join(frames if head.has_body else []))
    response = client.next_event()
    assert isinstance(response, h11.Response)
    assert response.status_code == head.status_code == int(status[:3])
    read = b""
    while isinstance(event := client.next_event(), h11.Data):
        read += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert read == (body if head.has_body else b"")
    assert (client.their_state is h11.DONE) is head.keep_alive is keep_alive
    assert client.trailing_data[0] == b""


@quick
@given(st.text(max_size=20), response_fields)
def test_no_head_has_more_lines_than_fields(status: str, fields: list[tuple[str, str]]) -> None:
    for interim, text in ((False, status), (False, "200 OK"), (True, "103 " + status)):
        try:
            if interim:
                data, own = encode_informational(text, fields), 1
            else:
                data = encode_head(
                    text,
                    fields,
                    method="GET",
                    version=(1, 1),
                    keep_alive=False,
                    date=b"D",
                    body_length=5,
                ).data
                own = 5
        except BadResponse:
            continue
        lines = data.split(b"\r\n")
        assert lines[-2:] == [b"", b""]
        assert b"" not in lines[:-2]
        assert len(lines) - 2 <= own + len(fields)
        assert not set(b"\r\n\0") & set(b"".join(lines))
