"""The sources of a configuration, from the least authoritative to the most, and their sum.

The sources are defaults and the variables that replace them, the framework's settings, the
config file, the arguments in ``CORN_CMD_ARGS``, and the command line. Each sets some values,
later ones win, and lists are replaced as a whole. Nothing here acts on the process, except
that a config file is executed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

from corn_core.config import Config, Kind, Origin, parsed
from corn_core.errors import ConfigError, SettingError, closest, one_line
from corn_core.findings import Finding, Level, Review
from corn_core.frames import explained
from corn_core.framework import Ask, Framework
from corn_core.hookspecs import HOOKS
from corn_core.interfaces import Loader
from corn_core.settings.commandline import Given, flag_origin, parse
from corn_core.settings.configfile import ChosenFile, chosen_file, importable, overlooked
from corn_core.settings.environment import (
    CMD_ARGS,
    FOREIGN_CMD_ARGS,
    FOREIGN_FILE,
    default_value,
    extra_arguments,
)
from corn_core.settings.registry import Registry

APP_SETTING = "wsgi_app"
"""The setting that a positional argument sets."""


class ConfigHook(NamedTuple):
    """A hook function from the configuration, and its origin."""

    function: Callable[..., Any]
    origin: str


class Resolution(NamedTuple):
    """A configuration, and everything else its sources contained.

    :param hooks: the hook functions of the config file, by the hook's name.
    :param warnings: messages for the user; none of them prevents a start.
    :param loader: the framework's own loader of the application, if it has one.
    """

    config: Config
    hooks: dict[str, ConfigHook]
    warnings: list[str]
    loader: Loader | None = None


def resolve(
    registry: Registry,
    argv: Sequence[str],
    environ: Mapping[str, str],
    cwd: str,
    framework: Ask | None = None,
    review: Review | None = None,
) -> Resolution:
    """Read all sources and add them up.

    :param registry: all settings.
    :param argv: the command line, without the program's name.
    :param cwd: the directory to which paths of config files are relative.
    :param framework: returns the settings from a framework's own file. Another source may name
        that file, so the function gets the sum of the others.
    :param review: gathers what is wrong or doubtful, and knows other servers' settings. If it
        gathers errors too, a setting that cannot take its value has its default.
    :raises ConfigError: when a source cannot be read or a setting cannot take a value; the text
        says which, and where it came from.
    """
    review = review or Review()
    variable, more = extra_arguments(environ)
    given = _Given(
        environ, variable, parse(registry, more, review, variable), parse(registry, argv, review)
    )
    # Executed once, although its values may be added up twice.
    file = chosen_file(registry, [(given.command[0], ""), (given.more[0], variable)], cwd)
    before = len(review.findings)
    resolution = _Layers(registry, review, cwd).add_up(given, file, None)
    found = review.attempt(framework, resolution.config) if framework else None
    if found is None:
        return resolution
    # The same sources are added up once more, and the same findings are made.
    del review.findings[before:]
    return _Layers(registry, review, cwd).add_up(given, file, found)


class _Given(NamedTuple):
    """The environment and the command line, with each list of arguments parsed.

    :param variable: the environment variable that ``more`` came from.
    """

    environ: Mapping[str, str]
    variable: str
    more: tuple[Given, list[str]]
    command: tuple[Given, list[str]]


class _Layers:
    """The sum of the sources so far; each method adds one more on top."""

    def __init__(self, registry: Registry, review: Review, cwd: str) -> None:
        self.registry = registry
        self.review = review
        self.cwd = cwd
        self.values: dict[str, Any] = {}
        self.origins: dict[str, Origin] = {}
        self.hooks: dict[str, ConfigHook] = {}

    def add_up(
        self, given: _Given, file: ChosenFile | None, framework: Framework | None
    ) -> Resolution:
        """Add all sources, from the least authoritative to the most."""
        variable = given.variable
        if variable == FOREIGN_CMD_ARGS:
            self.say("note", f"{variable} is used because {CMD_ARGS} is not set")
        self.set_defaults(given.environ)
        if framework is not None:
            self.set_framework(framework)
        if file is not None:
            self.set_file(file)
        elif overlooked(self.cwd) and "config" not in given.command[0] | given.more[0]:
            self.say("ignored", f"{FOREIGN_FILE} is not read; corn -c {FOREIGN_FILE} reads it")
        self.set_flags(given.more[0], variable)
        self.set_flags(given.command[0])
        rest = given.command[1] or given.more[1]
        self.set_app(rest, "" if given.command[1] else variable)
        return Resolution(
            config=Config({each.name: each for each in self.registry}, self.values, self.origins),
            hooks=self.hooks,
            warnings=self.review.warnings,
            loader=framework.loader if framework is not None else None,
        )

    def say(self, level: Level, text: str, origin: Origin | str = "", name: str = "") -> None:
        self.review.add(Finding(level, text, origin=str(origin), name=name))

    def set(self, name: str, raw: object, origin: Origin) -> None:
        try:
            self.values[name] = parsed(self.registry[name], raw, origin)
        except ConfigError as error:
            self.refuse(error, name, raw, origin)
        else:
            self.origins[name] = origin
            if self.review.gathers:
                self.review.add(*self.review.explain(name, raw, str(origin)))

    def refuse(self, error: ConfigError, name: str, raw: object, origin: Origin) -> None:
        """Add a value that cannot be taken to the findings, with what plugins know of it."""
        explained = self.review.explain(name, raw, str(origin))
        if not explained and not self.review.gathers:
            raise error
        self.review.add(*(explained or [Finding.of(error, name)]))

    def set_defaults(self, environ: Mapping[str, str]) -> None:
        for each in self.registry:
            try:
                found = default_value(each, environ)
            except ConfigError as error:
                self.refuse(error, each.name, None, Origin("environment", each.env or ""))
                found = default_value(each, {})
            self.values[each.name], self.origins[each.name] = found

    def set_flags(self, given: Given, variable: str = "") -> None:
        for name, (flag, raw) in given.items():
            self.set(name, raw, flag_origin(flag, variable))

    def set_app(self, rest: Sequence[str], variable: str) -> None:
        """Use the positional argument as the application; more than one is an error."""
        for argument in rest[1:]:
            text = f"unexpected argument {argument!r} after the application {rest[0]!r}"
            advice = "quote an argument with spaces, and give flags such as --reload no value"
            self.review.add(Finding("error", text, advice, origin=variable))
        if rest:
            kind: Kind = "cmd_args" if variable else "argument"
            self.set(APP_SETTING, rest[0], Origin(kind, variable or "command line"))

    def set_framework(self, framework: Framework) -> None:
        """Add the settings and hooks of a framework; any other name is an error."""
        for warning in framework.warnings:
            self.say("note", warning)
        directory = framework.directory or self.cwd
        for name, raw in framework.settings.items():
            origin = framework.origin(name)
            if not self._take(name, raw, origin, directory):
                self.review.add(*self._no_such(name, raw, origin))

    def _no_such(self, name: str, raw: object, origin: Origin) -> list[Finding]:
        if name in self.registry:
            text = f"{name} can only be set by {', '.join(self.registry[name].flags)}"
        else:
            meant = self._similar(name)
            hint = f"; did you mean {meant!r}?" if meant else ""
            text = f"there is no setting {name!r}{hint}"
            explained = self.review.explain(name, raw, str(origin))
            if explained:
                return explained
        return [Finding("error", text, origin=str(origin), name=name)]

    def set_file(self, file: ChosenFile) -> None:
        """Add the settings and hooks of a config file, which may have names of its own too."""
        location, contents = file
        if not location.startswith("python:") and not location.endswith(".py"):
            self.say(
                "note", f"config file {contents.name!r} is read as Python, though not named .py"
            )
        for name, raw in contents.values.items():
            origin = contents.origin(name)
            if not self._take(name, raw, origin, self.cwd):
                self._judge_other(name, raw, origin, contents.values)

    def _take(self, name: str, raw: object, origin: Origin, directory: str) -> bool:
        """Set a setting or hook if a file may set it; returns False if it may not."""
        setting = self.registry.get(name)
        if setting is not None and "file" in setting.places:
            self.set(name, raw, origin)
        elif name in HOOKS and HOOKS[name].in_config_file:
            self._set_hook(name, raw, origin, directory)
        else:
            return False
        return True

    def _similar(self, name: str) -> str | None:
        """Find what a file may set and has nearly this name, or a flag of nearly this name."""
        settings = [setting for setting in self.registry if "file" in setting.places]
        flags = {
            flag.lstrip("-").replace("-", "_"): setting.name
            for setting in settings
            for flag in setting.flags
        }
        hooks = [hook.name for hook in HOOKS.values() if hook.in_config_file]
        # Short ones are words that config files use for things of their own.
        ours = [setting.name for setting in settings]
        names = [*ours, *hooks, *(flag for flag in flags if len(flag) > 4)]
        found = closest(name, names, 0.8)
        return found if found in self.registry else flags.get(found or "", found)

    def _set_hook(self, name: str, raw: object, origin: Origin, directory: str) -> None:
        if raw is None:
            return
        if isinstance(raw, str) and ("." in raw or ":" in raw):
            with importable(self.cwd), importable(directory):
                raw = _imported(name, raw.strip(), origin)
        if not callable(raw):
            error = SettingError(name, "a function, or the dotted name of one", raw, str(origin))
            self.refuse(error, name, raw, origin)
            return
        if self.review.gathers:
            self.review.add(*self.review.explain(name, raw, str(origin)))
        self.hooks[name] = ConfigHook(raw, str(origin))

    def _judge_other(self, name: str, raw: object, origin: Origin, given: Collection[str]) -> None:
        """Judge a name that may not be set in a file: a mistake, or the file's own affair.

        :param given: all names in the file.
        """
        if name in self.registry or name in HOOKS:
            if raw:  # or it asks for nothing
                self.say("ignored", f"{name} has no effect in a config file", origin, name)
            return
        explained = self.review.explain(name, raw, str(origin))
        self.review.add(*explained)
        private = name != name.lower() or name.startswith("_") or isinstance(raw, ModuleType)
        meant = None if explained or private else self._similar(name)
        # A file that sets timeout as well has made it of its own timeout_str.
        if meant and meant not in given:
            hint = f"{name!r} is neither a setting nor a hook; did you mean {meant!r}?"
            self.say("ignored", hint, origin, name)


def _imported(name: str, path: str, origin: Origin) -> object:
    """Import the object named ``package.module.function`` or ``package.module:function``."""
    module, _, attribute = path.partition(":") if ":" in path else path.rpartition(".")
    try:
        return getattr(import_module(module), attribute)
    except (Exception, SystemExit) as error:  # broad: importing runs the user's code
        failure = ConfigError(f"{name}: {path!r}: {one_line(error)} ({origin})")
        raise explained(failure, error) from error
