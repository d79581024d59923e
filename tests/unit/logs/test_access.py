"""The atoms of the access log, and the formats they stand in."""

from __future__ import annotations

import os
import re
import time
from binascii import b2a_base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from corn_core.dates import common_log_time
from corn_core.logs import SETTINGS
from corn_core.logs.access import SafeAtoms, compile_format, parse_access_format, placeholders
from corn_core.logs.atoms import NAMESPACE, SOURCES, all_atoms
from corn_core.setting import Expected


@dataclass
class Asked:
    """A request, as far as a logger may look at it."""

    method: str = "GET"
    uri: str = "/shop/item?id=7"
    path: str = "/shop/item"
    query: str = "id=7"
    version: tuple[int, int] = (1, 1)
    headers: list[tuple[str, str]] = field(
        default_factory=lambda: [("HOST", "shop.example"), ("USER-AGENT", "curl/8.0")]
    )


@dataclass
class Answered:
    """A response, as far as a logger may look at it."""

    status: str = "200 OK"
    headers: list[tuple[str, str]] = field(default_factory=lambda: [("Content-Type", "text/html")])
    sent: int = 1234
    duration: float = 0.0

    @property
    def status_code(self) -> int:
        return int(self.status[:3])


ENVIRON = {
    "REMOTE_ADDR": "192.0.2.7",
    "HTTP_HOST": "shop.example",
    "HTTP_USER_AGENT": "curl/8.0",
    "HTTP_REFERER": "http://shop.example/",
    "CONTENT_TYPE": "text/plain",
    "wsgi.url_scheme": "http",
    "shop.tries": 3,
}


def render(
    text: str,
    *,
    asked: Asked | None = Asked(),  # noqa: B008  never changed
    environ: dict[str, Any] = ENVIRON,
    answered: Answered = Answered(),  # noqa: B008  never changed
    duration: timedelta = timedelta(),
) -> str:
    return compile_format(text)(answered, asked, environ, duration)


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A zone half an hour beside the others."""
    monkeypatch.setenv("TZ", "IST-5:30")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


# -- what each atom prints -----------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("%(h)s", "192.0.2.7"),
        ("%(l)s", "-"),
        ("%(u)s", "-"),
        ("%(r)s", "GET /shop/item?id=7 HTTP/1.1"),
        ("%(m)s", "GET"),
        ("%(U)s", "/shop/item"),
        ("%(q)s", "id=7"),
        ("%(H)s", "HTTP/1.1"),
        ("%(s)s", "200"),
        ("%(B)s", "1234"),
        ("%(b)s", "1234"),
        ("%(f)s", "http://shop.example/"),
        ("%(a)s", "curl/8.0"),
        ("%({user-agent}i)s", "curl/8.0"),
        ("%({User-Agent}i)s", "curl/8.0"),
        ("%({CONTENT-TYPE}i)s", "text/plain"),
        ("%({x-none}i)s", "-"),
        ("%({content-type}o)s", "text/html"),
        ("%({Content-Type}o)s", "text/html"),
        ("%({x-none}o)s", "-"),
        ("%({wsgi.url_scheme}e)s", "http"),
        ("%({shop.tries}e)s", "3"),
        ("%({NONE}e)s", "-"),
    ],
)
def test_atom(text: str, line: str) -> None:
    assert render(text) == line


def test_process() -> None:
    # Not a case of the table above, in which it would be a part of the test's name.
    assert render("%(p)s") == f"<{os.getpid()}>"


def test_every_atom_of_the_manual_is_there() -> None:
    assert set(SOURCES) == set("hlutrmUqHsBbfaTDMLp")


def test_default_format() -> None:
    default = {setting.name: setting for setting in SETTINGS}["access_log_format"].default
    assert re.fullmatch(
        r"192\.0\.2\.7 - - \[\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "
        r'"GET /shop/item\?id=7 HTTP/1\.1" 200 1234 "http://shop\.example/" "curl/8\.0"',
        render(default),
    )


@pytest.mark.parametrize(
    ("duration", "seconds", "milliseconds", "microseconds", "decimal"),
    [
        (timedelta(), "0", "0", "0", "0.000000"),
        (timedelta(microseconds=1999), "0", "1", "1999", "0.001999"),
        (timedelta(seconds=3, microseconds=45), "3", "3000", "3000045", "3.000045"),
        (timedelta(days=2, seconds=1), "172801", "172801000", "172801000000", "172801.000000"),
    ],
)
def test_durations(
    duration: timedelta, seconds: str, milliseconds: str, microseconds: str, decimal: str
) -> None:
    line = render("%(T)s %(M)s %(D)s %(L)s", duration=duration)
    assert line == f"{seconds} {milliseconds} {microseconds} {decimal}"


@pytest.mark.parametrize(("sent", "line"), [(0, "0 -"), (5, "5 5")])
def test_length_of_nothing(sent: int, line: str) -> None:
    assert render("%(B)s %(b)s", answered=Answered(sent=sent)) == line


def test_time_is_local_and_english(zone: None) -> None:
    assert common_log_time(0) == "[01/Jan/1970:05:30:00 +0530]"
    assert common_log_time(1_795_000_000) == "[18/Nov/2026:16:36:40 +0530]"


def test_time_is_that_of_the_response(zone: None) -> None:
    before = int(time.time())
    shown = datetime.strptime(render("%(t)s"), "[%d/%b/%Y:%H:%M:%S %z]").timestamp()
    assert before <= shown <= time.time()


def test_time_of_an_earlier_second_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    for now in (5.2, 5.9, 6.0, 3.0):
        monkeypatch.setitem(NAMESPACE, "time", lambda now=now: now)
        assert render("%(t)s") == common_log_time(int(now))
    assert len(NAMESPACE["times"]) == 1


def test_protocols() -> None:
    assert render("%(H)s", asked=Asked(version=(1, 0))) == "HTTP/1.0"
    assert render("%(r)s", asked=Asked(version=(2, 0))) == "GET /shop/item?id=7 HTTP/2.0"


def test_request_is_shown_as_it_came_whatever_the_application_made_of_its_environ() -> None:
    environ = {**ENVIRON, "REQUEST_METHOD": "PUT", "PATH_INFO": "/item", "SCRIPT_NAME": "/shop"}
    assert render("%(m)s %(U)s", environ=environ) == "GET /shop/item"


def test_corrected_address_is_shown() -> None:
    assert render("%(h)s", environ={**ENVIRON, "REMOTE_ADDR": "198.51.100.1"}) == "198.51.100.1"


def test_repeated_response_field() -> None:
    answered = Answered(headers=[("Set-Cookie", "a=1"), ("X", "y"), ("set-cookie", "b=2")])
    assert render("%({Set-Cookie}o)s", answered=answered) == "a=1, b=2"


# -- users ---------------------------------------------------------------------------


def basic(credentials: bytes, scheme: str = "Basic ") -> dict[str, str]:
    return {"HTTP_AUTHORIZATION": scheme + b2a_base64(credentials, newline=False).decode()}


@pytest.mark.parametrize(
    ("environ", "user"),
    [
        (basic(b"brian:secret"), "brian"),
        (basic(b"brian:se:cret"), "brian"),
        (basic(b"brian:", "bAsIc  "), "brian"),
        (basic("bj\u00f6rn:x".encode()), r"bj\xc3\xb6rn"),
        (basic(b'a" 200 1 "b:x'), r"a\" 200 1 \"b"),
        (basic(b"a\r\nb:x"), r"a\x0d\x0ab"),
        (basic(b"\xff:x"), r"\xff"),
        (basic(b"nocolon"), "-"),
        (basic(b":x"), "-"),
        ({"HTTP_AUTHORIZATION": "Basic"}, "-"),
        ({"HTTP_AUTHORIZATION": "Basic ="}, "-"),
        ({"HTTP_AUTHORIZATION": "Basic abc"}, "-"),
        ({"HTTP_AUTHORIZATION": "Basic \u00e9\u00e9\u00e9\u00e9"}, "-"),
        ({"HTTP_AUTHORIZATION": "Basic YTpi!!"}, "-"),
        ({"HTTP_AUTHORIZATION": "Bearer YTpi"}, "-"),
        ({"HTTP_AUTHORIZATION": ""}, "-"),
    ],
)
def test_user(environ: dict[str, Any], user: str) -> None:
    assert render("%(u)s", environ=environ) == user


# -- requests that never got far -----------------------------------------------------


def test_request_of_which_nothing_is_known() -> None:
    line = render(
        "%(h)s %(u)s %(r)s %(m)s %(U)s %(q)s %(H)s %(s)s %(f)s %(a)s %({host}i)s %({x}e)s",
        asked=None,
        environ={},
        answered=Answered("400 Bad Request"),
    )
    assert line == "- - - - - - - 400 - - - -"


def test_fields_of_a_request_without_environ_come_from_the_request() -> None:
    asked = Asked(headers=[("USER-AGENT", "a"), ("X-ONE", "1"), ("X-ONE", "2"), *basic_field()])
    line = render("%(a)s %({x-one}i)s %(u)s %(f)s", asked=asked, environ={})
    assert line == "a 1,2 brian -"


def basic_field() -> list[tuple[str, str]]:
    return [("AUTHORIZATION", basic(b"brian:secret")["HTTP_AUTHORIZATION"])]


def test_address_that_is_no_text() -> None:
    address = IPv4Address("192.0.2.7")
    assert render("%(h)s", environ={"REMOTE_ADDR": address}) == "192.0.2.7"
    line = render("%(h)s %(a)s", environ={"REMOTE_ADDR": address, "HTTP_USER_AGENT": "\n"})
    assert line == r"192.0.2.7 \x0a"


def test_variable_without_a_value() -> None:
    assert render("%({none}e)s %({nothing}e)s", environ={"none": None, "nothing": ""}) == "- -"


def test_client_of_a_unix_socket_has_no_address() -> None:
    assert render("%(h)s", environ={"REMOTE_ADDR": ""}) == "-"


def test_response_that_was_never_begun() -> None:
    assert render("%(s)s", answered=Answered(status="")) == "-"


# -- nothing breaks out of its place -------------------------------------------------

FORGED = 'x" 200 1 "-" "-"\r\n6.6.6.6 - - "GET /admin HTTP/1.1" 200\x1b[2J\\'


@pytest.mark.parametrize(
    "text",
    [
        *(f"%({name})s" for name in ("h", "r", "m", "U", "q", "s", "f", "a")),
        *("%({x-any}i)s", "%({x-any}o)s", "%({any}e)s"),
    ],
)
def test_no_value_forges_a_line(text: str) -> None:
    line = render(
        text,
        asked=Asked(method=FORGED, uri=FORGED, path=FORGED, query=FORGED),
        answered=Answered(status=FORGED.replace(" ", "_"), headers=[("X-Any", FORGED)]),
        environ={
            "REMOTE_ADDR": FORGED,
            "HTTP_REFERER": FORGED,
            "HTTP_USER_AGENT": FORGED,
            "HTTP_X_ANY": FORGED,
            "any": FORGED,
        },
    )
    assert r"\x0d\x0a6.6.6.6" in line
    assert r"\x1b[2J\\" in line
    assert re.search(r'(?<!\\)"', line) is None
    assert line.isprintable()


@given(st.text(max_size=40), st.text(max_size=40))
def test_every_line_has_as_many_quoted_fields_as_its_format(uri: str, agent: str) -> None:
    line = render(
        '"%(r)s" "%(a)s"', asked=Asked(uri=uri), environ={"HTTP_USER_AGENT": agent, "x": 1}
    )
    quoted = r'"(?:[ !#-\[\]-~]|\\["\\]|\\x[0-9a-f]{2})*"'
    assert re.fullmatch(f"{quoted} {quoted}", line)


# -- formats -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        ("nothing", "nothing"),
        ("100%% of %(s)s%%", "100% of 200%"),
        ("%%(s)s", "%(s)s"),
        ("%(m)6s|%(m)-6s|%(a).4s", "   GET|GET   |curl"),
        ("%(B)d %(D)08d", "1234 00000000"),
        ("{} {0} %(s)s {h}i", "{} {0} 200 {h}i"),
        ('{"time": "%(t).1s", "status": %(s)s}\t', '{"time": "[", "status": 200}\t'),
    ],
)
def test_format(text: str, line: str) -> None:
    assert render(text) == line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("%", "'%'"),
        ("%h", "'%h'"),
        ("%(h)", "'%(h)'"),
        ("%(h)\ns", "'%(h)\\ns'"),
        ("%(s)s %(h", "'%(h'"),
        ("%(h)f", "'%(h)f'"),
        ("%(h)*s", "'%(h)*s'"),
        ("%(h)1000s", "'%(h)1000s'"),
        ("%(D).1000d", "'%(D).1000d'"),
        ("%>s", "'%>s'"),
        ("100% sure %(h)s", "'% sure %(h)s'"),
        ("%({a}i)s %({b(c)}i)s", "'%({b(c)}i)s'"),
    ],
)
def test_text_that_is_no_format_is_refused(text: str, shown: str) -> None:
    with pytest.raises(Expected, match=re.escape(f"something else at {shown}")):
        parse_access_format(text)
    with pytest.raises(Expected):
        compile_format(text)


@pytest.mark.parametrize("raw", ["", "  ", None, 3, b"%(h)s"])
def test_format_is_text(raw: object) -> None:
    with pytest.raises(Expected, match="a format of atoms"):
        parse_access_format(raw)


@pytest.mark.parametrize("name", ["x", "", "hh", "{}i", "{a}x", "{a", "{a}", "a}i"])
def test_unknown_atom_is_refused(name: str) -> None:
    assert parse_access_format(f"%({name})s") == f"%({name})s"
    with pytest.raises(Expected, match=re.escape(f"(there is no {name!r})")):
        compile_format(f"%({name})s")


def test_text_is_no_number() -> None:
    with pytest.raises(Expected, match=re.escape("%(h)s instead of %(h)d")):
        compile_format("%(h)d")


def test_placeholders() -> None:
    assert placeholders("%% %(h)s %({a}i)s%(D)d") == [("h", "s"), ("{a}i", "s"), ("D", "d")]


@given(st.text(max_size=30), st.text(max_size=30))
def test_names_and_text_of_a_format_are_not_taken_for_code(name: str, around: str) -> None:
    around = around.replace("%", "%%")
    wanted = name.strip()
    assume(wanted and not set("(){}") & set(name))
    environ = {wanted: "there", "x": 1}
    line = render(f"{around}%({{{name}}}e)s{around}", environ=environ)
    assert line == f"{around}there{around}".replace("%%", "%")


# -- for subclasses ------------------------------------------------------------------


def test_all_atoms_are_as_received() -> None:
    environ = {**ENVIRON, "HTTP_USER_AGENT": 'a"b', "REMOTE_ADDR": ""}
    atoms = all_atoms(Answered(), Asked(), environ, timedelta(seconds=2))
    assert atoms["a"] == 'a"b'
    assert atoms["h"] == "-"
    assert (atoms["T"], atoms["M"], atoms["D"], atoms["B"]) == (2, 2000, 2_000_000, 1234)
    assert atoms["{user-agent}i"] == "curl/8.0"
    assert atoms["{content-type}o"] == "text/html"
    assert atoms["{wsgi.url_scheme}e"] == "http"
    assert set(SOURCES) <= set(atoms)


def test_all_atoms_of_a_request_of_which_nothing_is_known() -> None:
    atoms = all_atoms(Answered("400 Bad Request"), None, {}, timedelta())
    assert atoms["s"] == "400"
    assert {atoms[name] for name in "hlurmUqHfa"} == {"-"}


def test_safe_atoms() -> None:
    atoms = SafeAtoms({"a": 'x"\n', "{x}i": "1", "D": 5})
    template = "%(a)s %({X}i)s %(D)d %(none)s"
    assert template % atoms == r"x\"\x0a 1 5 -"
