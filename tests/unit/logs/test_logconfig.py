"""Logging configurations: what they do to the logs, and what happens to bad ones."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from corn_core.errors import ConfigError, SettingError
from corn_core.logs import Logger
from corn_core.logs.logconfig import State, states
from corn_core.logs.settings import IniFile
from tests.unit.logs.configs import config

ANSWERED = SimpleNamespace(status="200 OK", headers=[], sent=5, status_code=200)

INI = """
[loggers]
keys = root, error, access, shop

[handlers]
keys = error, access

[formatters]
keys = plain

[logger_root]
handlers =

[logger_error]
handlers = error
qualname = {names}.error
propagate = 0

[logger_access]
handlers = access
qualname = {names}.access
propagate = 0

[logger_shop]
handlers = error
level = DEBUG
qualname = shop

[handler_error]
class = FileHandler
args = ("%(here)s/{file}.log",)
formatter = plain

[handler_access]
class = FileHandler
args = ("%(__file__)s.access",)

[formatter_plain]
format = %(name)s|%(message)s
"""


class Files:
    """A directory with an ini file and the logs that it names."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ini = directory / "logging.ini"

    def write(self, names: str = "corn", file: str = "error", **changes: str) -> str:
        text = INI.replace("{names}", names).replace("{file}", file)
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        self.ini.write_text(text)
        return str(self.ini)

    def read(self, name: str) -> str:
        return (self.directory / name).read_text()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture(autouse=True)
def root() -> Iterator[logging.Logger]:
    """The root logger, which has the handlers of pytest; they are put back."""
    log = logging.getLogger()
    level, handlers = log.level, log.handlers[:]
    yield log
    log.setLevel(level)
    log.handlers[:] = handlers


def access(logger: Logger) -> None:
    logger.access(ANSWERED, None, {}, timedelta(0))


def dictionary(stream: io.StringIO, **loggers: Any) -> dict[str, Any]:
    """Make a configuration that writes to an object, which cannot be copied."""
    return {
        "formatters": {"plain": {"format": "%(name)s|%(message)s"}},
        "handlers": {
            "it": {"class": "logging.StreamHandler", "stream": stream, "formatter": "plain"}
        },
        "loggers": {name.replace("_", "."): value for name, value in loggers.items()},
    }


# -- the three forms -----------------------------------------------------------------


@pytest.mark.parametrize("names", ["corn", "gunicorn"])
def test_ini(files: Files, names: str) -> None:
    simple = files.directory / "simple.log"
    logger = Logger(
        config(logconfig=files.write(names), errorlog=str(simple), access_log_format="%(s)s")
    )
    assert logger.access_enabled
    logger.info("hello")
    logging.getLogger("shop").debug("sold")
    access(logger)
    assert files.read("error.log") == "corn.error|hello\nshop|sold\n"
    assert files.read("logging.ini.access") == "200\n"
    assert simple.read_text() == ""


def test_ini_in_a_directory_with_a_percent_sign(tmp_path: Path) -> None:
    files = Files(tmp_path / "100%(x)s")
    files.directory.mkdir()
    Logger(config(logconfig=files.write())).info("hello")
    assert files.read("error.log") == "corn.error|hello\n"


def test_ini_with_variables_of_somebody_else(files: Files) -> None:
    path = IniFile(files.write(file="%(of)s"), {"of": "mine", "here": "elsewhere"})
    Logger(config(logconfig=path)).info("hello")
    assert files.read("mine.log") == "corn.error|hello\n"


def test_path_of_an_ini_file_may_be_relative(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write()
    monkeypatch.chdir(files.directory)
    Logger(config(logconfig="logging.ini")).info("hello")
    assert files.read("error.log") == "corn.error|hello\n"


def test_dictionary() -> None:
    stream = io.StringIO()
    given = dictionary(stream, corn_error={"handlers": ["it"]})
    logger = Logger(config(logconfig_dict=given))
    logger.info("hello")
    assert stream.getvalue() == "corn.error|hello\n"
    assert set(given) == {"formatters", "handlers", "loggers"}


def test_json(tmp_path: Path) -> None:
    path = tmp_path / "logging.json"
    handler = {"class": "logging.FileHandler", "filename": str(tmp_path / "out.log")}
    text = {"handlers": {"file": handler}, "loggers": {"gunicorn.error": {"handlers": ["file"]}}}
    path.write_text(json.dumps(text))
    Logger(config(logconfig_json=str(path))).info("hello")
    assert (tmp_path / "out.log").read_text() == "hello\n"


def test_dictionary_comes_before_json_and_json_before_ini(files: Files) -> None:
    stream = io.StringIO()
    nothing = str(files.directory / "none")
    given = dictionary(stream, corn_error={"handlers": ["it"]})
    Logger(config(logconfig_dict=given, logconfig_json=nothing, logconfig=nothing)).info("hello")
    assert stream.getvalue() == "corn.error|hello\n"
    with pytest.raises(ConfigError, match="logconfig_json: "):
        Logger(config(logconfig_json=nothing, logconfig=files.write()))


# -- what is left alone --------------------------------------------------------------


def test_log_that_is_not_named_stays_as_it_was(tmp_path: Path) -> None:
    stream = io.StringIO()
    values = {"errorlog": str(tmp_path / "error.log"), "accesslog": str(tmp_path / "access.log")}
    given = dictionary(stream, shop={"handlers": ["it"]})
    logger = Logger(config(**values, logconfig_dict=given, access_log_format="%(s)s"))
    logger.info("hello")
    access(logger)
    assert (tmp_path / "error.log").read_text().endswith("] hello\n")
    assert (tmp_path / "access.log").read_text() == "200\n"
    assert stream.getvalue() == ""


def test_there_is_no_access_log_where_nobody_asks_for_one(tmp_path: Path) -> None:
    given = dictionary(io.StringIO(), shop={"handlers": ["it"]})
    assert not Logger(config(logconfig_dict=given)).access_enabled
    quiet = dictionary(io.StringIO(), corn_access={"handlers": ["it"], "level": "ERROR"})
    assert not Logger(config(logconfig_dict=quiet, accesslog="-")).access_enabled


def test_logs_of_the_server_are_not_disabled(tmp_path: Path) -> None:
    path = tmp_path / "error.log"
    given = {**dictionary(io.StringIO()), "disable_existing_loggers": True}
    Logger(config(logconfig_dict=given, errorlog=str(path))).info("hello")
    assert path.read_text().endswith("] hello\n")


def test_handlers_of_the_application_are_not_closed(tmp_path: Path) -> None:
    handler = logging.FileHandler(tmp_path / "app.log")
    Logger(config(logconfig_dict=dictionary(io.StringIO())))
    assert handler.stream is not None
    handler.close()


def test_defaults_of_a_dictionary(capsys: pytest.CaptureFixture[str]) -> None:
    Logger(config(logconfig_dict={"loggers": {"shop": {"level": "DEBUG"}}}))
    logging.getLogger("shop").debug("sold")
    logging.getLogger("other").info("known")
    logging.getLogger("other").debug("unknown")
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition("] ")[2].partition("] [")[2] for line in lines] == [
        "DEBUG] sold",
        "INFO] known",
    ]


def test_incremental_dictionary_changes_levels_only(tmp_path: Path) -> None:
    path = tmp_path / "error.log"
    given = {"incremental": True, "loggers": {"corn.error": {"level": "ERROR"}}}
    logger = Logger(config(logconfig_dict=given, errorlog=str(path)))
    logger.warning("no")
    logger.error("yes")
    assert path.read_text().count("\n") == 1


# -- bad ones ------------------------------------------------------------------------

BAD_INI = [
    ("keys = root, error, access, shop", "keys = error", "section [loggers] must have root"),
    ("[handlers]", "[handler]", "there is no section [handlers]"),
    ("keys = plain", "", "section [formatters] has no 'keys'"),
    ("[logger_shop]", "[logger_x]", "there is no section [logger_shop]"),
    ("qualname = shop", "", "section [logger_shop] has no 'qualname'"),
    (
        "handlers = access",
        "handlers = acess",
        "section [logger_access] names the handler 'acess', which [handlers] does not list",
    ),
    ("class = FileHandler", "", "section [handler_error] has no 'class'"),
    (
        "formatter = plain",
        "formatter = fancy",
        "section [handler_error] names the formatter 'fancy', which [formatters] does not list",
    ),
    ("[formatter_plain]", "[plain]", "there is no section [formatter_plain]"),
    ("level = DEBUG", "level = LOUD", "ValueError: Unknown level: 'LOUD'"),
    ("class = FileHandler", "class = none.Such", "ModuleNotFoundError: No module named 'none'"),
    ("%(here)s", "/none", "FileNotFoundError: [Errno 2] No such file or directory: '/none/"),
    ("%(here)s", "%(nowhere)s", "InterpolationMissingOptionError: "),
    ("[loggers]", "loggers", "MissingSectionHeaderError: File contains no section headers."),
]


@pytest.mark.parametrize(("old", "new", "problem"), BAD_INI)
def test_bad_ini(files: Files, old: str, new: str, problem: str) -> None:
    path = files.write(**{old: new})
    before = states()
    with pytest.raises(ConfigError) as caught:
        Logger(config(logconfig=path))
    message = str(caught.value)
    assert message.startswith(f"logconfig: {path!r}: {problem}")
    assert message.endswith("(set in code)")
    assert "\n" not in message
    after = states()
    assert {log: state for log, state in after.items() if state != before.get(log, State())} == {}


BAD_JSON = [
    ("", "not JSON: Expecting value: line 1"),
    ("[]", "expected a JSON object, got list"),
    ('{"version": 2}', "ValueError: Unsupported version: 2"),
    (
        '{"loggers": {"corn.error": {"handlers": ["none"]}}}',
        "Unable to configure logger 'corn.error': Unable to add handler 'none': KeyError",
    ),
    (
        '{"handlers": {"f": {"class": "logging.FileHandler", "filename": "/none/x"}}}',
        "Unable to configure handler 'f': FileNotFoundError: ",
    ),
]


@pytest.mark.parametrize(("text", "problem"), BAD_JSON)
def test_bad_json(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "logging.json"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        Logger(config(logconfig_json=str(path)))
    assert str(caught.value).startswith(f"logconfig_json: {str(path)!r}: {problem}")


def test_bad_dictionary() -> None:
    with pytest.raises(ConfigError) as caught:
        Logger(config(logconfig_dict={"loggers": {"shop": {"level": "LOUD"}}}))
    assert str(caught.value) == (
        "logconfig_dict: Unable to configure logger 'shop': ValueError: Unknown level: 'LOUD'"
        " (set in code)"
    )


@pytest.mark.parametrize("raw", [3, "text", ["a"]])
def test_dictionary_is_a_dictionary(raw: object) -> None:
    with pytest.raises(SettingError, match="logconfig_dict: expected a dictionary"):
        config(logconfig_dict=raw)


@pytest.mark.parametrize("name", ["logconfig", "logconfig_json"])
def test_missing_file(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Logger(config(**{name: "/none/x"}))
    assert str(caught.value) == f"{name}: '/none/x': No such file or directory (set in code)"


def test_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "binary"
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not UTF-8 text"):
        Logger(config(logconfig=str(path)))


# -- one after another ---------------------------------------------------------------


def test_bad_one_leaves_the_one_in_force(files: Files) -> None:
    logger = Logger(config(logconfig=files.write()))
    before = states()
    for changes in ({"level = DEBUG": "level = LOUD"}, {"class = FileHandler": "class = X"}):
        with pytest.raises(ConfigError):
            Logger(config(logconfig=files.write(file="other", **changes)))
    assert states() == before
    logger.info("still here")
    logging.getLogger("shop").debug("sold")
    assert files.read("error.log") == "corn.error|still here\nshop|sold\n"
    files_of = [one for one in logger.error_log.handlers if isinstance(one, logging.FileHandler)]
    assert files_of
    assert all(one.stream is not None for one in files_of)


def test_bad_one_leaves_the_simple_log(files: Files) -> None:
    path = files.directory / "simple.log"
    logger = Logger(config(errorlog=str(path)))
    with pytest.raises(ConfigError):
        logger.setup(config(logconfig=files.write(**{"level = DEBUG": "level = LOUD"})))
    logger.info("still here")
    assert path.read_text().endswith("] still here\n")


def test_next_one_begins_where_the_first_began(files: Files) -> None:
    Logger(config(logconfig=files.write()))
    shop = logging.getLogger("shop")
    (old,) = shop.handlers
    simple = files.directory / "simple.log"
    logger = Logger(config(errorlog=str(simple)))
    logger.info("hello")
    assert simple.read_text().endswith("] hello\n")
    assert (shop.handlers, shop.level) == ([], logging.NOTSET)
    assert isinstance(old, logging.FileHandler)
    assert old.stream is None
    assert not logger.access_enabled


def test_repeating_one_adds_nothing(files: Files) -> None:
    for _ in range(3):
        logger = Logger(config(logconfig=files.write()))
    logger.info("hello")
    assert files.read("error.log") == "corn.error|hello\n"
    assert len(logger.error_log.handlers) == 1


def test_filters_are_taken_back_too(tmp_path: Path) -> None:
    class No(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            return False

    given = dictionary(io.StringIO(), corn_error={"handlers": ["it"], "filters": ["no"]})
    logger = Logger(config(logconfig_dict={**given, "filters": {"no": {"()": No}}}))
    assert len(logger.error_log.filters) == 1
    path = tmp_path / "error.log"
    Logger(config(errorlog=str(path))).info("heard")
    assert path.read_text().endswith("] heard\n")


def test_handlers_that_were_there_before_come_back(files: Files) -> None:
    stream = io.StringIO()
    shop = logging.getLogger("shop")
    own = logging.StreamHandler(stream)
    shop.addHandler(own)
    Logger(config(logconfig=files.write()))
    assert own not in shop.handlers
    Logger(config())
    shop.error("sold")
    shop.removeHandler(own)
    assert stream.getvalue() == "sold\n"


def test_loggers_are_disabled_no_longer_than_it_is_in_force() -> None:
    shop = logging.getLogger("shop")
    given = {**dictionary(io.StringIO()), "disable_existing_loggers": True}
    Logger(config(logconfig_dict=given))
    assert shop.disabled
    Logger(config())
    assert not shop.disabled


def test_propagation_that_the_application_changed_stays(files: Files) -> None:
    shop = logging.getLogger("shop")
    shop.propagate = False
    Logger(config(logconfig=files.write()))
    assert shop.propagate
    Logger(config())
    assert not shop.propagate
    Logger(config(logconfig=files.write(**{"level = DEBUG": "propagate = 0"})))
    shop.propagate = True
    Logger(config())
    assert shop.propagate


@pytest.mark.parametrize("level", ["DEBUG", "LOUD"])
def test_handlers_are_known_to_the_library_afterwards(tmp_path: Path, level: str) -> None:
    handler = logging.FileHandler(tmp_path / "app.log")
    try:
        Logger(config(logconfig_dict={"loggers": {"shop": {"level": level}}}))
    except ConfigError:
        assert level == "LOUD"
    # The library closes them at the end of the process, or when logging is configured.
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
    assert handler.stream is None


def test_files_of_a_bad_one_are_closed(tmp_path: Path) -> None:
    path = tmp_path / "error.log"
    bad = {"loggers": {"shop": {"level": "LOUD"}}}
    with pytest.raises(ConfigError) as caught:
        Logger(config(errorlog=str(path), logconfig_dict=bad))
    # The traceback, which the exception keeps, has the handler in it.
    assert caught.value.__traceback__ is not None
    links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    assert str(path) not in map(os.path.realpath, links)


def test_dictionary_can_be_returned_to() -> None:
    stream = io.StringIO()
    given = dictionary(stream, corn_error={"handlers": ["it"]})
    given["formatters"]["plain"]["()"] = logging.Formatter
    given["formatters"]["plain"]["fmt"] = given["formatters"]["plain"].pop("format")
    first = config(logconfig_dict=given)
    logger = Logger(first)
    Logger(config())
    logger.setup(first)
    logger.info("back")
    assert stream.getvalue() == "corn.error|back\n"


def test_what_the_application_added_stays(files: Files) -> None:
    Logger(config(logconfig=files.write()))
    shop = logging.getLogger("shop")
    own = logging.StreamHandler(io.StringIO())
    shop.addHandler(own)
    shop.setLevel(logging.ERROR)
    Logger(config(errorlog=str(files.directory / "simple.log")))
    assert (shop.handlers, shop.level) == ([own], logging.ERROR)
    shop.removeHandler(own)
    shop.setLevel(logging.NOTSET)


def test_going_back_does_not_read_the_file_again(files: Files) -> None:
    first = config(logconfig=files.write())
    logger = Logger(first)
    Logger(config(logconfig=files.write(file="second")))
    files.ini.write_text("broken")
    logger.setup(first)
    logger.info("back")
    assert files.read("error.log") == "corn.error|back\n"
    assert files.read("second.log") == ""


# -- the names of Gunicorn -----------------------------------------------------------


def test_application_finds_the_log_under_the_old_name(tmp_path: Path) -> None:
    path = tmp_path / "error.log"
    logger = Logger(config(errorlog=str(path)))
    known = logging.getLogger("gunicorn.error")
    known.error("from the application")
    assert path.read_text().endswith("[ERROR] from the application\n")
    # What Flask's users do.
    app_log = logging.Logger("app")
    app_log.handlers = known.handlers
    app_log.setLevel(known.level)
    app_log.info("by its handlers")
    assert path.read_text().endswith("[INFO] by its handlers\n")
    assert logger.error_log.level == known.level


def test_old_parent_name_collects_both_logs() -> None:
    stream = io.StringIO()
    given = dictionary(stream, gunicorn={"handlers": ["it"], "propagate": False, "level": "INFO"})
    Logger(config())
    logger = Logger(config(logconfig_dict=given, access_log_format="%(s)s"))
    logger.info("hello")
    access(logger)
    assert stream.getvalue() == "corn.error|hello\ncorn.access|200\n"


def test_filter_on_the_old_name(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    logger = Logger(config(accesslog=str(path), access_log_format="%(s)s"))
    logging.getLogger("gunicorn.access").addFilter(lambda record: False)
    access(logger)
    assert path.read_text() == ""


def test_logger_that_was_there_before_is_taken_over(tmp_path: Path) -> None:
    stream = io.StringIO()
    before = logging.Logger("gunicorn.error")
    before.addHandler(logging.StreamHandler(stream))
    before.addFilter(lambda record: "secret" not in record.getMessage())
    logging.Logger.manager.loggerDict["gunicorn.error"] = before
    path = tmp_path / "error.log"
    logger = Logger(config(errorlog=str(path)))
    logger.info("hello")
    logger.info("secret")
    before.info("world")
    assert stream.getvalue() == "hello\nworld\n"
    assert [line[-5:] for line in path.read_text().splitlines()] == ["hello", "world"]
