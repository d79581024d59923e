"""The sources of a configuration, from the least authoritative to the most, and their sum.

Defaults and the variables that take their place, the framework's settings, the
config file, the arguments in ``CORN_CMD_ARGS``, the command line: each sets
some values, the later ones win, and lists are replaced as a whole. Nothing
here acts on the process, beyond what executing a config file does by itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

from corn_core.errors import ConfigError, SettingError, did_you_mean, one_line
from corn_core.hookspecs import HOOKS
from corn_core.settings.commandline import Explain, Given, parse
from corn_core.settings.config import DEFAULT, Config, Kind, Origin, parsed
from corn_core.settings.configfile import DEFAULT_FILE, execute, importable
from corn_core.settings.environment import (
    CMD_ARGS,
    FOREIGN_CMD_ARGS,
    default_value,
    extra_arguments,
)
from corn_core.settings.registry import Registry

APP_SETTING = "wsgi_app"
"""The setting that a positional argument gives a value to."""


class ConfigHook(NamedTuple):
    """A hook function that the configuration names, and where it does."""

    function: Callable[..., Any]
    origin: str


class Resolution(NamedTuple):
    """A configuration and what else its sources say.

    :param app_uri: the application, from the first positional argument or ``wsgi_app``.
    :param hooks: the hook functions of the config file, by the hook's name.
    :param config_path: the config file that was read, as the user calls it.
    :param warnings: what the user should be told; nothing of it prevents a start.
    :param extra_args: the positional arguments after the application; the
        server ignores them, an application may read them.
    """

    config: Config
    app_uri: str | None
    hooks: dict[str, ConfigHook]
    config_path: str | None
    warnings: list[str]
    extra_args: list[str]


def resolve(
    registry: Registry,
    argv: Sequence[str],
    environ: Mapping[str, str],
    cwd: str,
    framework: Mapping[str, object] | None = None,
    explain: Explain = lambda option: None,
) -> Resolution:
    """Read all sources and add them up.

    :param registry: the settings there are.
    :param argv: the command line, without the program's name.
    :param cwd: the directory that relative paths of config files are meant for.
    :param framework: settings and hooks that a framework's own file gives.
    :param explain: says why a flag or setting is unknown, if that is known.
    :raises ConfigError: when a source cannot be read or a value cannot be
        taken; the text says which, and where it is from.
    """
    layers = _Layers(registry, explain)
    variable, more = extra_arguments(environ)
    if variable == FOREIGN_CMD_ARGS:
        layers.warnings.append(f"{variable} is used, since {CMD_ARGS} is not set")
    from_variable, variable_rest = parse(registry, more, explain, variable)
    from_command, command_rest = parse(registry, argv, explain)
    layers.set_defaults(environ)
    layers.set_names(framework or {}, lambda name: Origin("framework", "framework settings"), cwd)
    path = layers.set_file([(from_command, ""), (from_variable, variable)], cwd)
    layers.set_flags(from_variable, variable)
    layers.set_flags(from_command)
    rest = command_rest or variable_rest
    app_uri = layers.set_app(rest, "" if command_rest else variable)
    return Resolution(
        config=Config({each.name: each for each in registry}, layers.values, layers.origins),
        app_uri=app_uri,
        hooks=layers.hooks,
        config_path=path,
        warnings=layers.warnings,
        extra_args=rest[1:],
    )


class _Layers:
    """The sum of the sources so far; each method puts one more on top."""

    def __init__(self, registry: Registry, explain: Explain) -> None:
        self.registry = registry
        self.explain = explain
        self.values: dict[str, Any] = {}
        self.origins: dict[str, Origin] = {}
        self.hooks: dict[str, ConfigHook] = {}
        self.warnings: list[str] = []

    def set(self, name: str, raw: object, origin: Origin) -> None:
        self.values[name] = parsed(self.registry[name], raw, origin)
        self.origins[name] = origin

    def set_defaults(self, environ: Mapping[str, str]) -> None:
        for each in self.registry:
            self.values[each.name], self.origins[each.name] = default_value(each, environ)

    def set_flags(self, given: Given, variable: str = "") -> None:
        for name, (flag, raw) in given.items():
            self.set(name, raw, _flag_origin(flag, variable))

    def set_app(self, rest: Sequence[str], variable: str) -> str | None:
        """Take the first positional argument for the application; say that others are ignored."""
        for argument in rest[1:]:
            self.warnings.append(
                f"argument {argument!r} is ignored; the application is {rest[0]!r}"
            )
        if APP_SETTING not in self.registry:
            return rest[0] if rest else None
        if rest:
            kind: Kind = "cmd_args" if variable else "argument"
            self.set(APP_SETTING, rest[0], Origin(kind, variable or "command line"))
        app_uri: str | None = self.values[APP_SETTING]
        return app_uri

    def set_file(self, given: Sequence[tuple[Given, str]], cwd: str) -> str | None:
        """Execute the config file that the first of the arguments names, or the default one."""
        location, origin = self._location(given)
        if origin == DEFAULT and not os.path.exists(os.path.join(cwd, DEFAULT_FILE)):
            return None
        if location is None:
            return None
        file = execute(location, cwd, origin)
        if not location.startswith("python:") and not location.endswith(".py"):
            self.warnings.append(
                f"config file {file.name!r} is read as Python, though not named .py"
            )
        self.set_names(file.values, file.origin, cwd)
        return location

    def _location(self, given: Sequence[tuple[Given, str]]) -> tuple[str | None, Origin]:
        for flags, variable in given:
            if "config" in flags:
                flag, raw = flags["config"]
                origin = _flag_origin(flag, variable)
                return parsed(self.registry["config"], raw, origin), origin
        return DEFAULT_FILE, DEFAULT

    def set_names(
        self, names: Mapping[str, Any], origin: Callable[[str], Origin], cwd: str
    ) -> None:
        """Take what a config file or a framework assigns to names, most of which may be its own."""
        for name, raw in names.items():
            setting = self.registry.get(name)
            if setting is not None and "file" in setting.places:
                self.set(name, raw, origin(name))
            elif name in HOOKS and HOOKS[name].in_config_file:
                self._set_hook(name, raw, origin(name), cwd)
            elif not isinstance(raw, ModuleType):
                self._judge_other(name, raw, origin(name))

    def _set_hook(self, name: str, raw: object, origin: Origin, cwd: str) -> None:
        if raw is None:
            return
        if isinstance(raw, str) and ("." in raw or ":" in raw):
            with importable(cwd):
                raw = _imported(name, raw.strip(), origin)
        if not callable(raw):
            raise SettingError(name, "a function, or the dotted name of one", raw, str(origin))
        self.hooks[name] = ConfigHook(raw, str(origin))

    def _judge_other(self, name: str, raw: object, origin: Origin) -> None:
        """A name that is no setting for a file: a helper of the file's author, or a mistake."""
        if name in self.registry or name in HOOKS:
            self.warnings.append(f"{name} has no effect in a config file ({origin})")
            return
        reason = self.explain(name)
        if reason and raw is not None and not callable(raw):
            raise ConfigError(f"{reason} ({origin})")
        if name != name.lower() or name.startswith("_"):
            return
        hooks = (hook.name for hook in HOOKS.values() if hook.in_config_file)
        hint = did_you_mean(name, [*self.registry.names(), *hooks])
        if hint:
            self.warnings.append(f"{name!r} is no setting and no hook{hint} ({origin})")


def _flag_origin(flag: str, variable: str) -> Origin:
    return Origin("cmd_args", f"{variable} {flag}") if variable else Origin("flag", flag)


def _imported(name: str, path: str, origin: Origin) -> object:
    """What ``package.module.function`` or ``package.module:function`` names."""
    module, _, attribute = path.partition(":") if ":" in path else path.rpartition(".")
    try:
        return getattr(import_module(module), attribute)
    except (Exception, SystemExit) as error:  # broad: importing runs somebody's code
        raise ConfigError(f"{name}: {path!r}: {one_line(error)} ({origin})") from error
