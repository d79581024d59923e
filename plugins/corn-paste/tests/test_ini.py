"""Reading an ini file, without a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from corn_core.builtin import corn_settings
from corn_core.errors import ConfigError
from corn_core.framework import Framework
from corn_core.logs.settings import IniFile
from corn_paste.ini import Ini
from corn_paste.server import server_settings

SETTINGS = {setting.name: setting for setting in corn_settings()}


def read(directory: Path, text: str, **variables: str) -> Ini:
    (directory / "site.ini").write_text(text)
    return Ini(str(directory / "site.ini"), "site.ini", variables)


def framework(directory: Path, text: str, **variables: str) -> Framework:
    ini = read(directory, text, **variables)
    return server_settings(ini, ini.server(), SETTINGS)


@pytest.mark.parametrize(
    ("lines", "bind"),
    [
        ("host = 192.168.0.1\nport = 80", ["192.168.0.1:80"]),
        ("host = 192.168.0.1", ["192.168.0.1"]),
        ("port = 80", ["127.0.0.1:80"]),
        ("host = a, b:81,\nport = 80", ["a:80", "b:81"]),
        ("host = ::1\nport = 80", ["[::1]:80"]),
        ("host = [::1], [::2]:81\nport = 80", ["[::1]:80", "[::2]:81"]),
        ("host = unix:/run/site.sock\nport = 80", ["unix:/run/site.sock"]),
        ("host =\nport =\nbind = a:1", "a:1"),
        ("bind =\n  a:1\n  unix:/x", ["", "a:1", "unix:/x"]),
    ],
)
def test_addresses(tmp_path: Path, lines: str, bind: object) -> None:
    found = framework(tmp_path, f"[server:main]\n{lines}\n")
    assert found.settings == {"bind": bind}
    assert str(found.origin("bind")) == "site.ini section [server:main]"


def test_values_are_those_of_the_section_itself(tmp_path: Path) -> None:
    found = framework(
        tmp_path,
        "[DEFAULT]\nworkers = 2\ntimeout = 7\nmany = 5\nplace = %(here)s\n"
        "[server:main]\nworkers = 4\nset backlog = 9\nget threads = many\n"
        "proc_name = %(place)s/%(given)s\naccess_log_format = %%(h)s\n",
        given="x",
        many="6",
    )
    assert found.settings == {
        "workers": "4",
        "threads": "6",
        "proc_name": f"{tmp_path}/x",
        "access_log_format": "%(h)s",
    }


def test_default_section_counts_for_more_than_variables_where_text_is_replaced(
    tmp_path: Path,
) -> None:
    # As for the application: PasteDeploy does the same.
    found = framework(tmp_path, "[DEFAULT]\na = 1\n[server]\nworkers = %(a)s\n", a="2")
    assert found.settings == {"workers": "1"}


@pytest.mark.parametrize(
    "use", ["egg:corn-paste#main", "egg:corn_paste", "egg:gunicorn#main", "egg:Gunicorn"]
)
def test_sections_that_are_for_this_server(tmp_path: Path, use: str) -> None:
    found = framework(tmp_path, f"[server:main]\nuse = {use}\nworkers = 2\n")
    assert (found.settings, found.warnings) == ({"workers": "2"}, ())


@pytest.mark.parametrize("line", ["use = egg:waitress#main", "paste.server_runner = mine:run"])
def test_sections_that_are_for_another_server(tmp_path: Path, line: str) -> None:
    found = framework(tmp_path, f"[server:main]\n{line}\nport = 1\nthreads = 8\nlisten = x\n")
    assert found.settings == {"bind": ["127.0.0.1:1"]}
    assert line.partition(" = ")[2] in found.warnings[0]


def test_a_section_may_use_another_one(tmp_path: Path) -> None:
    (tmp_path / "base.ini").write_text(
        "[server:slow]\nuse = egg:corn-paste#main\nworkers = 1\ntimeout = 90\n"
    )
    found = framework(
        tmp_path,
        "[server:main]\nuse = two\nproc_name = x\n"
        "[server:two]\nuse = config:base.ini#slow\nworkers = 2\n",
    )
    assert found.settings == {"workers": "2", "timeout": "90", "proc_name": "x"}
    places = [str(found.origin(name)) for name in ("proc_name", "workers", "timeout")]
    assert places == [
        "site.ini section [server:main]",
        "site.ini section [server:two]",
        "base.ini section [server:slow]",
    ]


def test_logging_is_that_of_the_file_unless_the_section_says_otherwise(tmp_path: Path) -> None:
    text = "[server:main]\nworkers = 2\n[loggers]\nkeys = root\n"
    found = framework(tmp_path, text, level="INFO")
    path = found.settings["logconfig"]
    assert isinstance(path, IniFile)
    assert (path, path.variables) == (str(tmp_path / "site.ini"), {"level": "INFO"})
    assert str(found.origin("logconfig")) == "site.ini section [loggers]"
    other = framework(tmp_path, text.replace("workers = 2", "logconfig = other.ini"))
    assert other.settings["logconfig"] == "other.ini"


def test_a_file_without_a_server_has_no_settings(tmp_path: Path) -> None:
    assert framework(tmp_path, "[app:main]\nuse = egg:x\n").settings == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[server:main]\nport = 70000", "port: expected a whole number from 0 to 65535, got"
                                        " '70000' (site.ini section [server:main])"),
        ("[server:main]\nbind = a\nport = 1", "bind: give either bind, or host and port"
                                              " (site.ini section [server:main])"),
        ("[server:main]\npaste = a", "paste cannot be set in an ini file, where the application"
                                     " is a section (site.ini section [server:main])"),
        ("[server:main]\nuse = main", "site.ini section [server:main] uses itself"),
        ("[server:main]\nuse = two", "site.ini section [server:main]: there is no [server:two] in"
                                     " site.ini"),
        ("[server:main]\nuse = config:no.ini", "'no.ini' does not exist ({}/no.ini)"),
        ("[server:main]\nworkers = %(n)s", "workers: 'n' is neither in [DEFAULT] nor"
                                           " among the variables given"
                                           " (site.ini section [server:main])"),
        ("[server:main]\nget workers = n", "get workers: 'n' is neither in [DEFAULT] nor"
                                           " among the variables given"
                                           " (site.ini section [server:main])"),
        ("[server:main]\na = 1\na = 2", "site.ini: DuplicateOptionError: While reading from"
                                        " 'site.ini' [line 3]: option 'a' in section 'server:main'"
                                        " already exists"),
        ("[server:main", "site.ini: MissingSectionHeaderError: File contains no section headers."
                         " file: 'site.ini', line: 1 '[server:main'"),
    ],
)  # fmt: skip
def test_what_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        framework(tmp_path, text)
    assert str(caught.value) == message.format(tmp_path)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "site.ini").write_bytes(b"[server:main]\nproc_name = \xff\n")
    with pytest.raises(ConfigError) as caught:
        Ini(str(tmp_path / "site.ini"), "site.ini", {})
    assert str(caught.value) == "'site.ini' is not UTF-8 text (invalid start byte at byte 26)"


@pytest.mark.parametrize(
    ("section", "name"),
    [
        ("app", "main"),
        ("app:main", "main"),
        ("application:x", "x"),
        ("composite: x", "x"),
        ("composit:x", "x"),
        ("pipeline:x", "x"),
        ("filter-app:x", "x"),
    ],
)
def test_kinds_of_applications(tmp_path: Path, section: str, name: str) -> None:
    ini = read(tmp_path, f"[{section}]\nuse = egg:x\n[filter:y]\nuse = egg:y\n")
    ini.require_app(name, "flag --paste")
    with pytest.raises(ConfigError, match=r"^site.ini has no application 'y', as in \[app:y\]"):
        ini.require_app("y", "flag --paste")


def test_files_that_an_application_is_made_of(tmp_path: Path) -> None:
    ini = read(
        tmp_path,
        "[composite:main]\n/ = config:%(here)s/one.ini#x\n/two = config:two.ini\nx = %(no)s\n"
        "[pipeline:x]\npipeline = egg:x config:three.ini\n",
    )
    names = ("site", "one", "two", "three")
    assert ini.files() == {f"{tmp_path}/{name}.ini" for name in names}
