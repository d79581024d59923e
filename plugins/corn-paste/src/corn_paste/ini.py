"""Reads PasteDeploy ini files, as far as the server needs them, without importing what they name.

PasteDeploy itself imports what a section uses when it reads the section. The master must not do
that: after a reload, new workers could not import those modules again. Besides, a server section
may name a server that is not installed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from configparser import ConfigParser, InterpolationMissingOptionError
from configparser import Error as ParserError
from typing import NamedTuple

from corn_core.plugin import ConfigError, did_you_mean, one_line

APPS = ("app", "application", "composite", "composit", "pipeline", "filter-app")
SERVERS = ("server",)
MAIN = "main"

_RUNNERS = ("paste.server_runner", "paste.server_factory")


class Section(NamedTuple):
    """A server section.

    :param use: the server that it is for, such as ``egg:corn-paste#main``; None if not given.
    :param values: the other keys.
    :param places: the file and section that each value came from, for messages.
    """

    use: str | None
    values: dict[str, str]
    places: dict[str, str]


class Ini:
    """One file.

    :param path: the absolute path.
    :param shown: the path as the user gave it.
    :param variables: values for ``%(KEY)s``; those in ``[DEFAULT]`` take precedence.
    :raises ConfigError: when it cannot be read.
    """

    def __init__(self, path: str, shown: str, variables: Mapping[str, str]) -> None:
        self.path = path
        self.shown = shown
        self.variables = variables
        own = {"here": os.path.dirname(path), "__file__": path}
        self._parser = ConfigParser(
            {**variables, **{name: value.replace("%", "%%") for name, value in own.items()}}
        )
        # This one does not merge the defaults into every section, so it shows a section's own keys.
        self._plain = ConfigParser(interpolation=None, default_section="\n")
        text = self._read()
        for parser in (self._parser, self._plain):
            parser.optionxform = str  # type: ignore[assignment,method-assign]
            try:
                parser.read_string(text, shown)
            except ParserError as error:
                raise ConfigError(f"{shown}: {one_line(error)}") from None

    def _read(self) -> str:
        try:
            with open(self.path, encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            raise ConfigError(f"{self.shown!r} does not exist ({self.path})") from None
        except OSError as error:
            raise ConfigError(f"{self.shown!r} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise ConfigError(
                f"{self.shown!r} is not UTF-8 text ({error.reason} at byte {error.start})"
            ) from None

    def __contains__(self, section: str) -> bool:
        return section in self._plain

    def find(self, kinds: tuple[str, ...], name: str) -> str | None:
        """Find the section of that name; for the name main, ``app:main`` or just ``app``."""
        return self._sections(kinds).get(name)

    def names(self, kinds: tuple[str, ...]) -> list[str]:
        """List the names of all sections of these kinds."""
        return list(self._sections(kinds))

    def _sections(self, kinds: tuple[str, ...]) -> dict[str, str]:
        found = {}
        for section in self._plain.sections():
            kind, _, name = section.partition(":")
            if kind in kinds:
                found[name.strip() or MAIN] = section
        return found

    def require_app(self, name: str, origin: object) -> None:
        """Raise an error if no application has that name."""
        if self.find(APPS, name) is not None:
            return
        names = self.names(APPS)
        have = f" (applications there: {', '.join(names)})" if names else ""
        raise ConfigError(
            f"{self.shown} has no application {name!r}, as in [app:{name}]"
            f"{did_you_mean(name, names)}{have} ({origin})"
        )

    def server(self, name: str = MAIN, seen: tuple[tuple[str, str], ...] = ()) -> Section | None:
        """Return a server section, with what it inherits by ``use``; None if there is none.

        :raises ConfigError: when it cannot be resolved.
        """
        section = self.find(SERVERS, name)
        if section is None:
            return None
        place = f"{self.shown} section [{section}]"
        if (self.path, section) in seen:
            raise ConfigError(f"{place} uses itself")
        values = self._values(section)
        use = values.pop("use", None) or next(
            (values.pop(key) for key in _RUNNERS if key in values), None
        )
        places = dict.fromkeys(values, place)
        other = self._other(use) if use else None
        if other is None:
            return Section(use, values, places)
        ini, its_name = other
        base = ini.server(its_name, (*seen, (self.path, section)))
        if base is None:
            raise ConfigError(f"{place}: there is no [server:{its_name}] in {ini.shown}")
        return Section(base.use, base.values | values, base.places | places)

    def _other(self, use: str) -> tuple[Ini, str] | None:
        """Return the file and name of the section that ``use`` refers to; None if it is not one."""
        scheme, colon, rest = use.partition(":")
        if not colon:
            return self, use
        if scheme != "config":
            return None
        path, _, name = rest.partition("#")
        found = os.path.join(os.path.dirname(self.path), path.strip())
        return Ini(found, path.strip(), self.variables), name.strip() or MAIN

    def _values(self, section: str) -> dict[str, str]:
        values = {}
        place = f"{self.shown} section [{section}]"
        try:
            everywhere = self._everywhere()
            for option in self._plain[section]:
                value = self._parser.get(section, option)
                if option.startswith("get "):
                    values[option[4:].strip()] = everywhere[value]
                elif not option.startswith("set "):
                    values[option] = value
        except InterpolationMissingOptionError as error:
            raise ConfigError(
                f"{error.option}: {error.reference!r} is neither in [DEFAULT] nor among"
                f" the variables given ({place})"
            ) from None
        except ParserError as error:
            raise ConfigError(f"{place}: {one_line(error)}") from None
        except KeyError as error:
            raise ConfigError(
                f"{option}: {error} is neither in [DEFAULT] nor among the variables given ({place})"
            ) from None
        return values

    def _everywhere(self) -> dict[str, str]:
        """Return the values that ``get`` may use."""
        defaults = {name: self._parser.get("DEFAULT", name) for name in self._parser.defaults()}
        return defaults | dict(self.variables)

    def files(self) -> set[str]:
        """Return this file, and those that it refers to as ``config:FILE``."""
        found = {self.path}
        for section in self._plain.sections():
            for option in self._plain[section]:
                try:
                    value = self._parser.get(section, option)
                except ParserError:
                    continue  # loading the application will report it
                for word in value.split():
                    if word.startswith("config:"):
                        path = word.removeprefix("config:").partition("#")[0]
                        found.add(os.path.join(os.path.dirname(self.path), path))
        return found
