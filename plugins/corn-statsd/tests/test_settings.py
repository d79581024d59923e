"""The settings: what they take, and what they refuse."""

from __future__ import annotations

import pytest

from corn_core.setting import Expected
from corn_statsd.settings import SETTINGS

PARSE = {setting.name: setting.parse for setting in SETTINGS}


@pytest.mark.parametrize(
    "text",
    [
        *("localhost:8125", "127.0.0.1:1", "statsd.example.org:65535", "[::1]:8125"),
        *("unix:///run/statsd.sock", "unix:run/statsd.sock", "unix:@statsd"),
    ],
)
def test_address_is_taken_as_it_is(text: str) -> None:
    assert PARSE["statsd_host"](f" {text} ") == text


@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_no_address_measures_nothing(nothing: str | None) -> None:
    assert PARSE["statsd_host"](nothing) is None


@pytest.mark.parametrize(
    "text",
    [
        *("localhost", "127.0.0.1", ":8125", "8125", "[::1]", "::1:8125", "localhost:"),
        *("localhost:0", "localhost:65536", "localhost:-1", "localhost:x", "localhost:81 25"),
        *("tcp://localhost:8125", "http://localhost:8125", "fd://3", "a b:8125", "10.0.0.256:8125"),
    ],
)
def test_what_is_no_host_and_port_is_refused(text: str) -> None:
    with pytest.raises(Expected, match=r"^HOST:PORT with a port from 1 to 65535"):
        PARSE["statsd_host"](text)


@pytest.mark.parametrize("text", ["unix:", "unix://", "unix:///run/", "unix:///" + "x" * 200])
def test_what_is_no_path_of_a_socket_is_refused(text: str) -> None:
    with pytest.raises(Expected, match="the path of a"):
        PARSE["statsd_host"](text)


@pytest.mark.parametrize(
    ("raw", "tags"),
    [
        ("env:prod, region:eu,", "env:prod,region:eu"),
        (["env:prod", "a"], "env:prod,a"),
        ("größe:XL", "größe:XL"),
        ("", ""),
    ],
)
def test_tags(raw: object, tags: str) -> None:
    assert PARSE["dogstatsd_tags"](raw) == tags


@pytest.mark.parametrize("raw", ["a|b", "a\nb:1|c", 7])
def test_tags_that_would_end_the_line_are_refused(raw: object) -> None:
    with pytest.raises(Expected):
        PARSE["dogstatsd_tags"](raw)
