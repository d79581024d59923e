from __future__ import annotations

import pytest

from corn_core.errors import BadRequestLine
from corn_core.http.target import split_target


@pytest.mark.parametrize(
    ("method", "target", "split"),
    [
        ("OPTIONS", "*", ("", "", None)),
        ("CONNECT", "a:1", ("", "", "a:1")),
        ("CONNECT", "a:65535", ("", "", "a:65535")),
        ("GET", "http://a", ("/", "", "a")),
        ("GET", "http://a/", ("/", "", "a")),
        ("GET", "https://a:1/b//c?d?e", ("/b//c", "d?e", "a:1")),
        ("OPTIONS", "http://a?b/c", ("/", "b/c", "a")),
        ("GET", "http://[::1]/http://b", ("/http://b", "", "[::1]")),
    ],
)
def test_target_is_divided(method: str, target: str, split: object) -> None:
    assert split_target(method, target) == split


@pytest.mark.parametrize(
    ("method", "target", "text"),
    [
        ("GET", "*", "OPTIONS only"),
        ("options", "*", "OPTIONS only"),
        ("CONNECT", "*", "host:port"),
        ("CONNECT", "a:", "host:port"),
        ("CONNECT", "a:00000", "host:port"),
        ("CONNECT", "a:100000", "host:port"),
        ("CONNECT", ":80", "host:port"),
        ("GET", "a", "malformed target: b'a'"),
        ("GET", "http:/a", "malformed target"),
        ("GET", "http://a@b/", "malformed target"),
        ("GET", "http:///", "malformed target"),
    ],
)
def test_wrong_target_is_refused(method: str, target: str, text: str) -> None:
    with pytest.raises(BadRequestLine, match=text):
        split_target(method, target)
