"""Writes the beginning of a plugin: a distribution that can be installed, and passes its tests."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from corn_core import __version__
from corn_core.plugin import ConfigError

GROUPS = {
    "worker": "corn.workers",
    "logger": "corn.loggers",
    "instrument": "corn.plugins",
    "loader": "corn.loaders",
}
"""The kinds of plugins, and the entry-point group in which each is found."""

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_PLACEHOLDER = re.compile(r"@([a-z]+)@")


def write_plugin(kind: str, name: str, directory: Path | None = None) -> Path:
    """Write a plugin of a kind, and return its directory.

    :param name: the name that users will type, such as ``greet`` in ``-k greet``.
    :param directory: a directory that does not exist or is empty; by default ``corn-NAME``.
    :raises ConfigError: when the name or the directory cannot be used; nothing is written then.
    """
    _check_name(kind, name)
    directory = directory or Path(f"corn-{name}")
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ConfigError(f"{directory} exists already: name another directory after the plugin's")
    package = f"corn_{name.replace('-', '_')}"
    values = {
        "name": name,
        "setting": name.replace("-", "_"),
        "package": package,
        "title": "".join(part.capitalize() for part in name.split("-")),
        "minor": ".".join(__version__.split(".")[:2]),
    }
    try:
        _copy(files("corn_testkit") / "templates" / kind, directory, values)
    except OSError as error:
        raise ConfigError(f"{directory}: cannot be written: {error.strerror}") from None
    return directory


def _check_name(kind: str, name: str) -> None:
    if name.startswith("corn-"):
        raise ConfigError(f"{name!r}: leave out 'corn-', which only the distribution's name has")
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r}: expected lower-case letters, digits and single hyphens, as in 'my-{kind}'"
        )
    for found in entry_points(group=GROUPS[kind], name=name):
        owner = found.dist.name if found.dist is not None else found.value
        raise ConfigError(f"{name!r}: there is one already, in {owner}; choose another name")


def _copy(source: Traversable, target: Path, values: dict[str, str]) -> None:
    """Copy a directory of templates, whose names and texts have placeholders."""
    target.mkdir(parents=True, exist_ok=True)
    for entry in source.iterdir():
        path = target / _filled(entry.name, values).removesuffix(".template")
        if entry.is_dir():
            _copy(entry, path, values)
        else:
            path.write_text(_filled(entry.read_text(), values))


def _filled(text: str, values: dict[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: values[match[1]], text)
