"""capture_output, in processes whose standard streams are real."""

from __future__ import annotations

from pathlib import Path

from tests.unit.logs.configs import in_python


def captured(path: Path, code: str) -> tuple[str, str]:
    """Run code with a logger that captures into a file; what is in the file, and what is not."""
    done = in_python(
        f"path = {str(path)!r}\n"
        "captured = config.replace(errorlog=path, capture_output=True)\n"
        f"logger = Logger(captured)\n{code}",
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    return (path.read_text() if path.exists() else ""), done.stdout + done.stderr


def test_streams_go_to_the_error_log(tmp_path: Path) -> None:
    text, rest = captured(
        tmp_path / "error.log",
        "logger.info('one')\n"
        "print('two')\n"
        "print('three', file=sys.stderr)\n"
        "os.system('echo four; echo five >&2')\n"
        "logger.info('six')\n",
    )
    assert [line.split()[-1] for line in text.splitlines()] == [
        *("one", "two", "three", "four", "five", "six"),
    ]
    assert rest == ""


def test_what_was_printed_before_stays_out(tmp_path: Path) -> None:
    done = in_python(
        "print('before')\n"
        f"Logger(config.replace(errorlog={str(tmp_path / 'error.log')!r}, capture_output=True))\n"
        "print('after')",
        capture_output=True,
    )
    assert done.stdout == "before\n"
    assert (tmp_path / "error.log").read_text() == "after\n"


def test_line_is_there_before_the_process_ends(tmp_path: Path) -> None:
    text, _ = captured(tmp_path / "error.log", "print('printed')\nos._exit(0)")
    assert text == "printed\n"


def test_error_log_on_a_stream_captures_nothing(tmp_path: Path) -> None:
    done = in_python(
        "Logger(config.replace(capture_output=True))\nprint('printed')", capture_output=True
    )
    assert (done.stdout, done.stderr) == ("printed\n", "")


def test_rotated_file_is_left(tmp_path: Path) -> None:
    path = tmp_path / "error.log"
    text, rest = captured(
        path,
        "print('one')\n"
        "os.rename(path, path + '.1')\n"
        "os.chdir('/')\n"
        "logger.reopen_files()\n"
        "print('two')\n",
    )
    assert text == "two\n"
    assert (tmp_path / "error.log.1").read_text() == "one\n"
    assert rest == ""


def test_streams_are_given_back(tmp_path: Path) -> None:
    text, rest = captured(
        tmp_path / "error.log",
        "print('one')\n"
        "logger.setup(config.replace(errorlog=path))\n"
        "print('two')\n"
        "print('three', file=sys.stderr)\n"
        "logger.setup(captured)\n"
        "print('four')\n"
        "from corn_core.logs.capture import release_output\n"
        "release_output()\n"
        "release_output()\n"
        "print('five')\n",
    )
    assert text == "one\nfour\n"
    assert rest == "two\nfive\nthree\n"


def test_repeating_it_takes_no_descriptors(tmp_path: Path) -> None:
    text, _ = captured(
        tmp_path / "error.log",
        "count = lambda: len(os.listdir('/proc/self/fd'))\n"
        "before = count()\n"
        "for _ in range(5):\n"
        "    logger = Logger(captured)\n"
        "    logger.reopen_files()\n"
        "print(count() - before)\n",
    )
    assert text == "0\n"


def test_bad_configuration_leaves_the_streams(tmp_path: Path) -> None:
    other = tmp_path / "other.log"
    text, _ = captured(
        tmp_path / "error.log",
        "try:\n"
        f"    Logger(captured.replace(errorlog={str(other)!r}, accesslog='/none/x'))\n"
        "except Exception as error:\n"
        "    print(type(error).__name__)\n",
    )
    assert text == "SettingError\n"
    assert other.read_text() == ""


def test_process_without_standard_streams(tmp_path: Path) -> None:
    path = tmp_path / "error.log"
    done = in_python(
        "os.close(1); os.close(2); sys.stdout = sys.stderr = None\n"
        f"Logger(config.replace(errorlog={str(path)!r}, capture_output=True))\n"
        "os.system('echo from a child')\n"
    )
    assert done.returncode == 0
    assert path.read_text() == "from a child\n"
