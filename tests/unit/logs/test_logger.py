"""The logger, on real files and real standard streams."""

from __future__ import annotations

import io
import logging
import logging.config
import os
import re
import socket
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from corn_core.config import Config
from corn_core.errors import ExtensionError, SettingError
from corn_core.logs import SETTINGS, WSGI_ERRORS, Logger
from corn_core.logs.handlers import LogFile, LogStream, add_none, let_add, write_all
from corn_core.setting import Expected
from tests.unit.logs.configs import config, in_python

ASKED = SimpleNamespace(
    method="GET", uri="/a?b", path="/a", query="b", version=(1, 1), headers=[("X-ID", "7")]
)
ANSWERED = SimpleNamespace(status="200 OK", headers=[], sent=5, status_code=200)
ENVIRON = {"REMOTE_ADDR": "192.0.2.7"}


@pytest.fixture
def error_file(tmp_path: Path) -> Path:
    return tmp_path / "error.log"


@pytest.fixture
def access_file(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


def access(logger: Logger, **changes: Any) -> None:
    asked = SimpleNamespace(**{**vars(ASKED), **changes})
    logger.access(ANSWERED, asked, ENVIRON, timedelta(0))


# -- the error log -------------------------------------------------------------------


def test_line_of_the_error_log(error_file: Path) -> None:
    Logger(config(errorlog=str(error_file))).info("Listening at: %s (%s)", "http://x", 1)
    assert re.fullmatch(
        rf"\[\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{{4}}\] \[{os.getpid()}\] \[INFO\] "
        r"Listening at: http://x \(1\)\n",
        error_file.read_text(),
    )


def test_exception_comes_with_its_traceback(error_file: Path) -> None:
    logger = Logger(config(errorlog=str(error_file)))
    try:
        raise ValueError("broken")
    except ValueError:
        logger.exception("Error handling request %s", "/x")
    text = error_file.read_text()
    assert "[ERROR] Error handling request /x\nTraceback (most recent call last):\n" in text
    assert text.endswith("ValueError: broken\n")


APPLICATION_TEXT = "[12:00] ERROR in app: 100 %s\nTraceback (most recent call last):\n  ...\n"


@pytest.mark.parametrize("level", ["debug", "critical"])
def test_text_of_an_application_is_left_as_it_is(error_file: Path, level: str) -> None:
    logger = Logger(config(errorlog=str(error_file), loglevel=level))
    logger.wsgi_errors(APPLICATION_TEXT)
    assert error_file.read_text() == APPLICATION_TEXT
    logger.wsgi_errors("no end")
    logger.critical("next")
    assert error_file.read_text().removeprefix(APPLICATION_TEXT).startswith("no end\n[")


def test_text_of_an_application_is_one_record_to_other_handlers(error_file: Path) -> None:
    logger = Logger(config(errorlog=str(error_file)))
    records: list[logging.LogRecord] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = records.append  # type: ignore[method-assign, assignment]
    logger.error_log.addHandler(handler)
    try:
        logger.wsgi_errors(APPLICATION_TEXT)
    finally:
        logger.error_log.removeHandler(handler)
    (record,) = records
    assert (record.name, record.getMessage()) == (WSGI_ERRORS, APPLICATION_TEXT.rstrip("\n"))


def test_text_of_an_application_follows_its_file(error_file: Path) -> None:
    logger = Logger(config(errorlog=str(error_file)))
    logger.wsgi_errors("before\n")
    rotated = error_file.rename(error_file.with_suffix(".1"))
    logger.reopen_files()
    logger.wsgi_errors("after\n")
    assert (rotated.read_text(), error_file.read_text()) == ("before\n", "after\n")


def test_formatter_of_a_subclass_sees_the_text_of_an_application(error_file: Path) -> None:
    class Plain(Logger):
        def error_formatter(self) -> logging.Formatter:
            return logging.Formatter("%(name)s %(levelname)s %(message)s")

    Plain(config(errorlog=str(error_file))).wsgi_errors("one\ntwo\n")
    assert error_file.read_text() == "wsgi.errors ERROR one\ntwo\n"


LEVELS = ["debug", "info", "warning", "error", "critical"]


@pytest.mark.parametrize("level", LEVELS)
def test_level(error_file: Path, level: str) -> None:
    logger = Logger(config(errorlog=str(error_file), loglevel=level))
    for name in LEVELS:
        getattr(logger, name)("by method")
        logger.log(name, "by name")
        logger.log(getattr(logging, name.upper()), "by number")
    shown = re.findall(r"\[([A-Z]+)\] by (\w+)", error_file.read_text())
    expected = [name.upper() for name in LEVELS[LEVELS.index(level) :]]
    assert shown == [(name, by) for name in expected for by in ("method", "name", "number")]


def test_bad_level_is_refused() -> None:
    with pytest.raises(SettingError, match=r"^loglevel: expected one of debug, info, .*'loud'"):
        config(loglevel="loud")
    assert config(loglevel="WARNING").loglevel == "warning"


def test_error_log_is_standard_error_and_access_log_standard_output() -> None:
    done = in_python(
        "logger = Logger(short)\n"
        "logger.warning('to err')\n"
        "print('printed before', end='')\n"
        "logger.access(resp, None, {}, timedelta(0))",
        capture_output=True,
    )
    assert done.returncode == 0
    assert done.stderr.endswith("[WARNING] to err\n")
    assert done.stdout == "printed before200\n"


def test_reader_that_is_gone_does_not_change_the_exit_status(error_file: Path) -> None:
    read_fd, write_fd = os.pipe()
    os.close(read_fd)
    done = in_python(
        f"logger = Logger(short.replace(errorlog={str(error_file)!r}))\n"
        "logger.access(resp, None, {}, timedelta(0))",
        stdout=write_fd,
    )
    os.close(write_fd)
    assert done.returncode == 0
    assert "Cannot write the access log: [Errno 32] Broken pipe" in error_file.read_text()


def test_what_a_pipe_does_not_take_is_an_error() -> None:
    read_fd, write_fd = os.pipe()
    os.set_blocking(write_fd, False)
    with pytest.raises(BlockingIOError):
        write_all(write_fd, bytes(1 << 20))
    os.close(read_fd)
    os.close(write_fd)


def test_pipe_that_is_not_read_costs_lines_and_no_waiting() -> None:
    """Once one wait was in vain, until there is room again; then the log says what it lacks."""
    read_fd, write_fd = os.pipe()
    done = in_python(
        "import resource, threading\n"
        "os.set_blocking(1, False)\n"
        "try:\n    while os.write(1, bytes(4096)): pass\n"
        "except BlockingIOError: os.set_blocking(1, True)\n"
        "os.dup2(1, 2)\n"
        "logger = Logger(config)\n"
        "for number in range(1000): logger.error('line %s', number)\n"
        f"while os.read({read_fd}, 65536)[-1:] == b'': pass\n"
        "logger.error('room')\n",
        stdout=write_fd,
        pass_fds=(read_fd,),
    )
    os.close(write_fd)
    with open(read_fd, "rb") as pipe:
        written = pipe.read().lstrip(b"\0").decode().splitlines()
    assert done.returncode == 0
    assert len(written) == 2
    assert written[0].endswith("[ERROR] room")
    assert "Lines lost before this one, which could not be written: 1000" in written[1]


@pytest.mark.parametrize("target", ["/dev/full", "-"])
def test_error_log_that_cannot_be_written_harms_nothing_else(target: str) -> None:
    """Least of all standard error, where it would stay in the buffer."""
    full = os.open("/dev/full", os.O_WRONLY)
    done = in_python(
        f"logger = Logger(config.replace(errorlog={target!r}))\n"
        "for _ in range(3): logger.error('lost')\n"
        "sys.stderr.flush()\n",
        stderr=full if target == "-" else subprocess.PIPE,
    )
    os.close(full)
    assert done.returncode == 0
    if target != "-":
        assert done.stderr == "error: cannot write /dev/full: [Errno 28] No space left on device\n"


def test_stream_without_descriptor_is_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    logger = Logger(config(accesslog="-", access_log_format="%(m)s"))
    logger.info("hello")
    access(logger)
    assert err.getvalue().endswith("hello\n")
    assert out.getvalue() == "GET\n"


def test_process_without_standard_streams(tmp_path: Path) -> None:
    done = in_python(
        "os.close(1); os.close(2); sys.stdout = sys.stderr = None\n"
        "logger = Logger(short)\n"
        "logger.warning('never read')\n"
        "logger.access(resp, None, {}, timedelta(0))\n"
        f"open({str(tmp_path / 'done')!r}, 'w').write('went on')",
    )
    assert done.returncode == 0
    assert (tmp_path / "done").read_text() == "went on"


def test_lone_surrogates_can_be_logged(error_file: Path) -> None:
    Logger(config(errorlog=str(error_file))).info("no such file: %s", "\udcff")
    assert error_file.read_text().endswith("no such file: \\udcff\n")


# -- the access log ------------------------------------------------------------------


def test_access_line(error_file: Path, access_file: Path) -> None:
    logger = Logger(
        config(errorlog=str(error_file), accesslog=str(access_file), access_log_format="%(r)s|")
    )
    assert logger.access_enabled
    access(logger)
    access(logger, uri='/"\n')
    assert access_file.read_text() == 'GET /a?b HTTP/1.1|\nGET /\\"\\x0a HTTP/1.1|\n'
    assert error_file.read_text() == ""


def test_no_access_log(error_file: Path, access_file: Path) -> None:
    logger = Logger(config(errorlog=str(error_file)))
    assert not logger.access_enabled
    access(logger)
    assert not access_file.exists()
    assert error_file.read_text() == ""


def test_line_longer_than_any_buffer_is_written_by_one_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What one write(2) puts into a socket of this type comes out of it in one piece.
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs, os.fdopen(os.dup(theirs.fileno()), "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        logger = Logger(config(accesslog="-", access_log_format="%(U)s"))
        access(logger, path="x" * 20_000)
        access(logger, path="y")
        ours.settimeout(10)
        assert [len(ours.recv(65536)) for _ in range(2)] == [20_001, 2]


def test_lines_of_several_processes_stay_whole(access_file: Path) -> None:
    logger = Logger(config(accesslog=str(access_file), access_log_format="%(U)s"))
    children = []
    for letter in "abc":
        pid = os.fork()
        if pid == 0:
            for _ in range(100):
                access(logger, path=letter * 20_000)
            os._exit(0)
        children.append(pid)
    for pid in children:
        assert os.waitpid(pid, 0)[1] == 0
    lines = access_file.read_text().splitlines()
    assert sorted(lines) == [letter * 20_000 for letter in "abc" for _ in range(100)]


def test_disk_that_is_full_is_reported_once(error_file: Path) -> None:
    logger = Logger(config(errorlog=str(error_file), accesslog="/dev/full"))
    for _ in range(3):
        access(logger)
    text = error_file.read_text()
    assert text.count("Cannot write the access log: [Errno 28] No space left on device") == 1


def test_handlers_of_others_get_the_lines_too(access_file: Path) -> None:
    seen = io.StringIO()
    logger = Logger(config(accesslog=str(access_file), access_log_format="%(m)s %(U)s"))
    logger.access_log.addHandler(logging.StreamHandler(seen))
    access(logger, path="/%s")
    assert seen.getvalue() == access_file.read_text() == "GET /%s\n"


def test_filters_are_asked(access_file: Path) -> None:
    logger = Logger(config(accesslog=str(access_file), access_log_format="%(U)s"))
    logger.access_log.addFilter(lambda record: "health" not in record.getMessage())
    access(logger, path="/health")
    access(logger, path="/shop")
    assert access_file.read_text() == "/shop\n"
    logger.access_log.filters.clear()
    logger.access_log.handlers[0].addFilter(lambda record: "shop" not in record.getMessage())
    access(logger, path="/shop")
    access(logger, path="/health")
    assert access_file.read_text() == "/shop\n/health\n"


def test_formatter_and_handler_that_take_the_place_of_ours_are_used(access_file: Path) -> None:
    logger = Logger(config(accesslog=str(access_file), access_log_format="%(U)s"))
    (ours,) = logger.access_log.handlers
    plain = ours.formatter
    access(logger, path="/before")
    ours.setFormatter(logging.Formatter("mine %(message)s"))
    access(logger, path="/other")
    assert access_file.read_text() == "/before\nmine /other\n"
    seen = io.StringIO()
    another = logging.StreamHandler(seen)
    another.setFormatter(plain)
    logger.access_log.removeHandler(ours)
    logger.access_log.addHandler(another)
    try:
        access(logger, path="/another")
    finally:
        logger.access_log.removeHandler(another)
        logger.access_log.addHandler(ours)
    assert seen.getvalue() == "/another\n"
    assert "another" not in access_file.read_text()


def test_filters_and_formatters_find_every_atom(access_file: Path) -> None:
    seen: list[Any] = []

    class Telling(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            arguments: Any = record.args
            seen.append((arguments["U"], arguments.get("no such"), dict(arguments)["m"]))
            return super().format(record)

    logger = Logger(config(accesslog=str(access_file), access_log_format="%(m)s %%"))
    logger.access_log.addFilter(lambda record: vars(record)["args"]["U"] != "/health")
    logger.access_log.handlers[0].setFormatter(Telling())
    access(logger, path="/health")
    access(logger, path="/a%b")
    assert access_file.read_text() == "GET %\n"
    assert seen == [("/a%b", "-", "GET")]


def test_atoms_of_a_record_are_made_only_if_they_are_looked_at(access_file: Path) -> None:
    class Counting(Logger):
        made = 0

        def atoms(self, resp: Any, req: Any, environ: Any, request_time: Any) -> dict[str, Any]:
            self.made += 1
            return super().atoms(resp, req, environ, request_time)

        def renderer(self, config: Any) -> Any:
            return lambda *request: "line"

    logger = Counting(config(accesslog=str(access_file)))
    logger.access_log.addFilter(lambda record: record.getMessage() == "line")
    access(logger)
    assert (access_file.read_text(), logger.made) == ("line\n", 0)


# -- subclasses ----------------------------------------------------------------------


def test_subclass_with_atoms_of_its_own(access_file: Path) -> None:
    class Custom(Logger):
        def atoms(self, resp: Any, req: Any, environ: Any, request_time: Any) -> dict[str, Any]:
            return {**super().atoms(resp, req, environ, request_time), "id": 'from"env'}

    logger = Custom(
        config(accesslog=str(access_file), access_log_format="%(m)s %(id)s %({X-Id}i)s")
    )
    access(logger)
    assert access_file.read_text() == 'GET from\\"env 7\n'


def test_subclass_with_formats_of_its_own(error_file: Path, access_file: Path) -> None:
    class Custom(Logger):
        error_fmt = "%(levelname)s|%(message)s"
        access_fmt = "access|%(message)s"

    values = {"errorlog": str(error_file), "accesslog": str(access_file)}
    logger = Custom(config(**values, access_log_format="%(m)s"))
    logger.info("x")
    access(logger)
    assert error_file.read_text() == "INFO|x\n"
    assert access_file.read_text() == "access|GET\n"


def test_subclass_with_a_formatter_of_its_own(access_file: Path) -> None:
    class Custom(Logger):
        def access_formatter(self) -> logging.Formatter:
            return logging.Formatter("access|%(message)s")

    access(Custom(config(accesslog=str(access_file), access_log_format="%(m)s")))
    assert access_file.read_text() == "access|GET\n"


def test_subclass_that_logs_access_its_own_way(access_file: Path) -> None:
    class Custom(Logger):
        def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
            self.access_log.info("%s", {"status": resp.status_code})

    access(Custom(config(accesslog=str(access_file))))
    assert access_file.read_text() == "{'status': 200}\n"


# -- bad configurations --------------------------------------------------------------


@pytest.mark.parametrize("name", ["errorlog", "accesslog"])
@pytest.mark.parametrize(
    ("path", "reason"), [("none/x.log", "No such file or directory"), (".", "Is a directory")]
)
def test_file_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, path: str, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingError) as caught:
        Logger(config(**{name: path}))
    assert str(caught.value) == (
        f"{name}: expected a file to append to ({reason}), got {path!r} (set in code)"
    )


def test_unknown_atom_is_refused_at_the_start() -> None:
    with pytest.raises(SettingError) as caught:
        Logger(config(access_log_format="%(x)s"))
    assert str(caught.value).startswith("access_log_format: expected atoms among a b B D f ")
    assert str(caught.value).endswith("(there is no 'x'), got '%(x)s' (set in code)")


@pytest.mark.parametrize("raw", ["", " ", None, "a\0b", 3])
def test_errorlog_is_a_path(raw: object) -> None:
    setting = {setting.name: setting for setting in SETTINGS}["errorlog"]
    with pytest.raises(Expected, match="the path of a file, or -"):
        setting.parse(raw)


def test_failed_set_up_leaves_the_logs_as_they_were(error_file: Path, access_file: Path) -> None:
    logger = Logger(config(errorlog=str(error_file), accesslog=str(access_file)))
    other = str(error_file.with_name("other.log"))
    for bad in ({"accesslog": "/none/x"}, {"access_log_format": "%(x)s"}, {"errorlog": "/none/x"}):
        with pytest.raises(SettingError):
            logger.setup(config(**{"errorlog": other, **bad}))
    logger.info("still here")
    access(logger)
    assert error_file.read_text().endswith("still here\n")
    assert access_file.read_text().count("\n") == 1
    assert open_descriptors_of(Path(other)) == 0


def open_descriptors_of(path: Path) -> int:
    names = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    return sum(os.path.realpath(name) == str(path) for name in names)


# -- handlers that plugins add -------------------------------------------------------


class Kept(logging.Handler):
    """Keeps what it would send elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str] = []
        self.open = True

    def emit(self, record: logging.LogRecord) -> None:
        self.sent.append(self.format(record))

    def close(self) -> None:
        self.open = False
        super().close()


def test_handlers_of_plugins_write_beside_the_file(error_file: Path) -> None:
    error, access_only = Kept(), Kept()
    error.setFormatter(logging.Formatter("own %(message)s"))
    let_add(lambda config, log: [error] if log == "error" else [access_only])
    logger = Logger(config(errorlog=str(error_file), access_log_format="%(m)s"))
    assert logger.access_enabled
    logger.info("hello")
    access(logger)
    assert error.sent == ["own hello"]
    assert access_only.sent == [f"[{os.getpid()}] GET"]
    assert error_file.read_text().endswith("[INFO] hello\n")


def test_handlers_of_plugins_go_with_their_configuration() -> None:
    first, second = Kept(), Kept()
    given = iter([[first], [], [second], [], [second], []])
    let_add(lambda config, log: next(given))
    logger = Logger(config())
    for number in range(2):
        logger.setup(config())
        logger.info("%s", number)
    assert (first.sent, first.open) == ([], False)
    assert (len(second.sent), second.open) == (2, True)
    let_add(add_none)
    logger.setup(config())
    assert not second.open


def test_handlers_of_plugins_that_fail_leave_the_logs_as_they_were(
    error_file: Path, access_file: Path
) -> None:
    kept = Kept()

    def add(config: Config, log: str) -> list[Kept]:
        if log == "access":
            raise ExtensionError("no")
        return [kept]

    logger = Logger(config(errorlog=str(error_file)))
    let_add(add)
    with pytest.raises(ExtensionError):
        logger.setup(config(errorlog=str(access_file)))
    logger.info("still here")
    assert error_file.read_text().endswith("still here\n")
    assert (kept.sent, kept.open, open_descriptors_of(access_file)) == ([], False, 0)


# -- several configurations, one after another ---------------------------------------


def test_new_logger_takes_the_place_of_the_old_one(error_file: Path, access_file: Path) -> None:
    old = Logger(config(errorlog=str(error_file), accesslog=str(access_file)))
    first = error_file.rename(error_file.with_name("first.log"))
    new = Logger(config(errorlog=str(error_file), loglevel="error"))
    old.error("one line")
    new.info("too low")
    new.error("another")
    assert first.read_text() == ""
    assert [line.split("] ")[-1] for line in error_file.read_text().splitlines()] == [
        "one line",
        "another",
    ]
    assert (open_descriptors_of(first), open_descriptors_of(error_file)) == (0, 1)
    assert open_descriptors_of(access_file) == 0
    assert not new.access_enabled


def test_old_logger_never_writes_to_a_closed_descriptor(access_file: Path) -> None:
    old = Logger(config(accesslog=str(access_file), access_log_format="%(m)s"))
    Logger(config(accesslog=str(access_file.with_name("new.log"))))
    # The descriptor of the old file is free, and the next thing that is opened gets it.
    with open(access_file.with_name("innocent"), "w"):
        access(old)
        assert access_file.with_name("innocent").read_text() == ""
    assert access_file.with_name("new.log").read_text() == "GET\n"


def test_handlers_of_others_stay(error_file: Path) -> None:
    seen = io.StringIO()
    Logger(config()).error_log.addHandler(logging.StreamHandler(seen))
    Logger(config(errorlog=str(error_file))).info("x")
    assert seen.getvalue() == "x\n"


def test_root_logger_gets_nothing(
    error_file: Path, access_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logger = Logger(config(errorlog=str(error_file), accesslog=str(access_file)))
    logger.critical("x")
    access(logger)
    assert caplog.records == []


# -- rotation ------------------------------------------------------------------------


def test_files_are_reopened(error_file: Path, access_file: Path) -> None:
    logger = Logger(
        config(errorlog=str(error_file), accesslog=str(access_file), access_log_format="%(m)s")
    )
    logger.info("one")
    access(logger)
    for file in (error_file, access_file):
        file.rename(f"{file}.1")
    logger.info("before")
    access(logger)
    logger.reopen_files()
    logger.info("after")
    access(logger)
    old, new = Path(f"{error_file}.1").read_text(), error_file.read_text()
    assert (old.count("\n"), new.count("\n")) == (2, 1)
    assert new.endswith("after\n")
    assert Path(f"{access_file}.1").read_text() == "GET\nGET\n"
    assert access_file.read_text() == "GET\n"
    assert open_descriptors_of(Path(f"{error_file}.1")) == 0
    assert not any(map(os.get_inheritable, descriptors(logger)))


def descriptors(logger: Logger) -> list[int]:
    handlers = (*logger.error_log.handlers, *logger.access_log.handlers)
    streams = [handler.stream for handler in handlers if isinstance(handler, LogFile)]
    return [stream.fileno() for stream in streams if stream is not None]


def test_relative_path_is_reopened_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    logger = Logger(config(errorlog="error.log"))
    monkeypatch.chdir("/")
    (tmp_path / "error.log").unlink()
    logger.reopen_files()
    logger.info("x")
    assert (tmp_path / "error.log").read_text().endswith("x\n")


def test_files_of_the_application_are_reopened(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    app_log = logging.getLogger("tests.app")
    handler = logging.FileHandler(path)
    lazy = logging.FileHandler(tmp_path / "lazy.log", delay=True)
    app_log.addHandler(handler)
    app_log.addHandler(lazy)
    logging.getLogger("tests.app.unused.child")  # leaves a placeholder for its parent
    try:
        path.rename(f"{path}.1")
        Logger(config()).reopen_files()
        app_log.error("after")
        assert Path(f"{path}.1").read_text() == ""
        assert path.read_text() == "after\n"
        assert (tmp_path / "lazy.log").read_text() == "after\n"
    finally:
        for one in (handler, lazy):
            app_log.removeHandler(one)
            one.close()


def test_file_that_cannot_be_reopened_goes_on(tmp_path: Path) -> None:
    directory = tmp_path / "logs"
    directory.mkdir()
    error_file = tmp_path / "error.log"
    logger = Logger(
        config(
            errorlog=str(error_file),
            accesslog=f"{directory}/access.log",
            access_log_format="%(m)s",
        )
    )
    directory.rename(tmp_path / "old")
    logger.reopen_files()
    access(logger)
    assert (tmp_path / "old" / "access.log").read_text() == "GET\n"
    assert f"Cannot reopen {directory}/access.log: No such file" in error_file.read_text()


def test_no_line_is_lost_while_files_are_reopened(access_file: Path) -> None:
    logger = Logger(config(accesslog=str(access_file), access_log_format="%(m)s"))
    enough = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        while not enough.is_set() or written < 100:
            access(logger)
            written += 1

    writer = threading.Thread(target=write)
    writer.start()
    for number in range(50):
        access_file.rename(f"{access_file}.{number}")
        logger.reopen_files()
    enough.set()
    writer.join()
    files = access_file.parent.glob("access.log*")
    assert sum(file.read_text().count("GET\n") for file in files) == written


# -- other programs ------------------------------------------------------------------


def test_files_are_closed_in_programs_that_are_started(error_file: Path) -> None:
    logger = Logger(config(errorlog=str(error_file)))
    assert not any(map(os.get_inheritable, descriptors(logger)))
    (fd,) = descriptors(logger)
    os.set_inheritable(fd, True)
    logger.close_on_exec()
    assert not os.get_inheritable(fd)


def test_standard_streams_are_not_closed_in_programs_that_are_started() -> None:
    done = in_python(
        "Logger(short).close_on_exec()\n"
        "os.execv('/bin/sh', ['sh', '-c', 'echo out; echo err >&2'])",
        capture_output=True,
    )
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


# -- applications that configure logging ---------------------------------------------


def test_file_closed_by_the_application_is_opened_again(
    error_file: Path, access_file: Path
) -> None:
    values = {"errorlog": str(error_file), "accesslog": str(access_file)}
    logger = Logger(config(**values, access_log_format="%(m)s"))
    # It closes every handler of the process, as Django's set-up does.
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
    assert open_descriptors_of(error_file) == 0
    logger.info("still here")
    access(logger)
    assert error_file.read_text().endswith("still here\n")
    assert access_file.read_text() == "GET\n"


def test_file_closed_by_the_application_is_reopened_when_rotated(error_file: Path) -> None:
    logger = Logger(config(errorlog=str(error_file)))
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
    logger.reopen_files()
    logger.info("after")
    assert error_file.read_text().endswith("after\n")


def test_file_that_was_closed_for_good_stays_closed(error_file: Path) -> None:
    handler = LogFile(str(error_file))
    handler.retire()
    with pytest.raises(OSError, match="is closed"):
        handler.write_line("x")
    assert open_descriptors_of(error_file) == 0


def test_handler_kinds(error_file: Path) -> None:
    logger = Logger(config(errorlog=str(error_file), accesslog="-"))
    assert [type(handler) for handler in logger.error_log.handlers] == [LogFile]
    assert [type(handler) for handler in logger.access_log.handlers] == [LogStream]
