"""The json logger: every line is one object with the documented fields."""

from __future__ import annotations

import json
import logging
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from corn_core.config import Config
from corn_core.logs import SETTINGS
from corn_core.logs.handlers import let_add
from corn_jsonlog.logger import JsonFormatter, JsonLogger

README = (Path(__file__).parents[1] / "README.md").read_text()

ASKED = SimpleNamespace(
    method="GET", uri="/a%20b?c=d", path="/a%20b", query="c=d", version=(1, 1), headers=[]
)
ANSWERED = SimpleNamespace(status="404 Not Found", headers=[], sent=5, status_code=404)
ENVIRON = {
    "REMOTE_ADDR": "192.0.2.7",
    "HTTP_HOST": "example.org",
    "HTTP_REFERER": "http://x/",
    "HTTP_USER_AGENT": 'a "b"\u2028\n\xe9',
    "HTTP_AUTHORIZATION": "Basic YWRhOnNlY3JldA==",
}


def config(**values: object) -> Config:
    settings = {setting.name: setting for setting in SETTINGS}
    defaults = {setting.name: setting.default for setting in SETTINGS}
    return Config(settings, defaults, {}).replace(**values)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.log"


def lines(path: Path) -> list[dict[str, Any]]:
    text = path.read_text("ascii")
    assert text.endswith("\n")
    return [json.loads(line) for line in text.split("\n")[:-1]]


def error_line(path: Path, log: Any, **values: object) -> dict[str, Any]:
    log(JsonLogger(config(errorlog=str(path), **values)))
    (line,) = lines(path)
    return line


def access_line(path: Path, *arguments: Any) -> dict[str, Any]:
    JsonLogger(config(accesslog=str(path))).access(*arguments)
    (line,) = lines(path)
    return line


def documented(section: str) -> list[str]:
    """Return the names in the table of a section of the README."""
    text = README.partition(f"## {section}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", text, re.M)


def test_error_line(path: Path) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    line = error_line(path, lambda logger: logger.warning("%s\n%s", "one", 'two "\u2028'))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert before <= datetime.fromisoformat(line.pop("time")) <= datetime.now(UTC)
    assert line == {
        "type": "log",
        "level": "warning",
        "logger": "corn.error",
        "pid": os.getpid(),
        "message": 'one\ntwo "\u2028',
    }


def test_text_of_an_application_is_one_line(path: Path) -> None:
    text = 'Traceback (most recent call last):\n  "\u2028"\nValueError\n'
    line = error_line(path, lambda logger: logger.wsgi_errors(text), loglevel="critical")
    assert line.pop("time")
    assert line == {
        "type": "log",
        "level": "error",
        "logger": "wsgi.errors",
        "pid": os.getpid(),
        "message": text.rstrip("\n"),
    }


def test_level_counts(path: Path) -> None:
    line = error_line(
        path, lambda logger: (logger.info("no"), logger.error("yes")), loglevel="error"
    )
    assert (line["level"], line["message"]) == ("error", "yes")


def test_everything_in_an_error_line_is_documented(path: Path) -> None:
    def log(logger: JsonLogger) -> None:
        try:
            raise ValueError("broken")
        except ValueError:
            logger.exception("failed", stack_info=True, extra={"order": 17, "when": {1}})

    line = error_line(path, log)
    assert list(line) == documented("The error log")
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert line["exception"].endswith("ValueError: broken")
    assert line["stack"].startswith("Stack (most recent call last):\n")
    assert line["extra"] == {"order": 17, "when": "{1}"}


@pytest.mark.parametrize("kind", ["key", "cycle"])
def test_extra_that_is_no_json_does_not_lose_the_line(path: Path, kind: str) -> None:
    value: dict[object, object] = {("a", "b"): 1}
    if kind == "cycle":
        value = {}
        value["self"] = value
    line = error_line(path, lambda logger: logger.info("kept", extra={"value": value}))
    assert line["message"] == "kept"
    assert line["extra"].startswith("{'value': {")


def test_access_line(path: Path) -> None:
    line = access_line(path, ANSWERED, ASKED, ENVIRON, timedelta(seconds=1, microseconds=500))
    assert list(line) == documented("The access log")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {
        "type": "access",
        "pid": os.getpid(),
        "remote_addr": "192.0.2.7",
        "user": "ada",
        "method": "GET",
        "uri": "/a%20b?c=d",
        "path": "/a%20b",
        "query": "c=d",
        "protocol": "HTTP/1.1",
        "status": 404,
        "bytes": 5,
        "duration": 1.0005,
        "host": "example.org",
        "referer": "http://x/",
        "user_agent": 'a "b"\u2028\n\xe9',
    }


def test_access_line_of_a_request_that_could_not_be_read(path: Path) -> None:
    answered = SimpleNamespace(status="", headers=[], sent=0, status_code=0)
    line = access_line(path, answered, None, {}, timedelta(0))
    assert list(line) == documented("The access log")
    known = {name: value for name, value in line.items() if value is not None}
    assert set(known) == {"time", "type", "pid", "bytes", "duration"}


def test_no_access_log_without_accesslog(path: Path) -> None:
    assert not JsonLogger(config(errorlog=str(path))).access_enabled


def test_access_log_format_has_no_effect(path: Path) -> None:
    logger = JsonLogger(config(accesslog=str(path), access_log_format="%(nothing)s"))
    logger.access(ANSWERED, ASKED, ENVIRON, timedelta(0))
    assert lines(path)[0]["status"] == 404


class Kept(logging.Handler):
    """Keeps what it would send."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.sent.append(self.format(record))


def test_handlers_of_plugins_get_json() -> None:
    added = {"error": Kept(), "access": Kept()}
    let_add(lambda config, log: [added[log]])
    logger = JsonLogger(config(errorlog="/dev/null"))
    logger.info("hello")
    logger.access(ANSWERED, ASKED, ENVIRON, timedelta(0))
    (error,), (access,) = added["error"].sent, added["access"].sent
    assert json.loads(error)["message"] == "hello"
    assert json.loads(access)["status"] == 404


def test_formatter_in_a_logging_configuration(path: Path) -> None:
    given = {
        "formatters": {"json": {"class": "corn_jsonlog.logger.JsonFormatter"}},
        "handlers": {
            "file": {
                "class": "logging.FileHandler",
                "filename": str(path),
                "formatter": "json",
            }
        },
        "loggers": {"shop": {"handlers": ["file"]}},
    }
    logger = JsonLogger(config(errorlog="/dev/null", logconfig_dict=given))
    logging.getLogger("shop").error("sold", extra={"price": 3})
    (line,) = lines(path)
    assert (line["logger"], line["message"], line["extra"]) == ("shop", "sold", {"price": 3})
    logger.setup(config(errorlog="/dev/null"))


def test_record_without_anything_special() -> None:
    record = logging.LogRecord("a", logging.INFO, "path", 1, "text", (), None)
    line = json.loads(JsonFormatter().format(record))
    assert list(line) == ["time", "type", "level", "logger", "pid", "message"]
