"""Finds and executes the config file, and records on which line each name is assigned."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NamedTuple

from corn_core.config import DEFAULT, Origin, parsed
from corn_core.errors import ConfigError, answered, line_in, one_line
from corn_core.frames import explained
from corn_core.setting import Setting, optional, string
from corn_core.settings.commandline import Given, flag_origin
from corn_core.settings.environment import FOREIGN_FILE
from corn_core.settings.registry import Registry

DEFAULT_FILE = "corn.conf.py"

SETTINGS = (
    Setting(
        name="config",
        section="Config File",
        parse=optional(string),
        default=None,
        default_text="./corn.conf.py, if there is one",
        help=(
            "The config file, as PATH, file:PATH, or python:MODULE. It is Python code,"
            " executed at startup and on every reload; a path is relative to the"
            " directory that corn was started in. Without this flag ./corn.conf.py is"
            " read if it exists; an empty text reads none. It has no effect in a config"
            " file."
        ),
        flags=("-c", "--config"),
        metavar="FILE",
        places=("cli",),
    ),
)


class ConfigFile(NamedTuple):
    """An executed config file.

    :param name: the file as the user named it, for messages.
    :param values: its global names and their values, without those that Python adds.
    :param lines: the lines on which each name is assigned.
    """

    name: str
    values: Mapping[str, Any]
    lines: Mapping[str, list[int]]

    def origin(self, name: str) -> Origin:
        """Return where the file assigns a name, without the line if that is unknown."""
        lines = self.lines.get(name, [])
        if not lines:
            return Origin("file", self.name)
        plural = "lines" if len(lines) > 1 else "line"
        return Origin("file", f"{self.name} {plural} {', '.join(map(str, lines))}")


class ChosenFile(NamedTuple):
    """An executed config file, and the location that named it."""

    location: str
    contents: ConfigFile


def chosen_file(
    registry: Registry, given: Sequence[tuple[Given, str]], cwd: str
) -> ChosenFile | None:
    """Execute the config file that the first of the arguments names, or the default one.

    :param given: parsed lists of arguments, each with the variable it came from.
    :returns: None if there is no default file, or if an empty text asks for none.
    :raises ConfigError: see :func:`execute`.
    """
    location, origin = _location(registry, given)
    if origin == DEFAULT and not os.path.exists(os.path.join(cwd, DEFAULT_FILE)):
        return None
    if location is None:
        return None
    secrets = {setting.name for setting in registry if setting.secret}
    return ChosenFile(location, execute(location, cwd, origin, secrets))


def overlooked(cwd: str) -> bool:
    """Tell whether Gunicorn would read a config file in the directory."""
    return os.path.exists(os.path.join(cwd, FOREIGN_FILE))


def _location(registry: Registry, given: Sequence[tuple[Given, str]]) -> tuple[str | None, Origin]:
    for flags, variable in given:
        if "config" in flags:
            flag, raw = flags["config"]
            origin = flag_origin(flag, variable)
            return parsed(registry["config"], raw, origin), origin
    return DEFAULT_FILE, DEFAULT


def execute(location: str, cwd: str, origin: Origin, secrets: Collection[str] = ()) -> ConfigFile:
    """Execute the config file at ``PATH``, ``file:PATH`` or ``python:MODULE``.

    The file is not imported: it leaves nothing in ``sys.modules``, and each call executes it
    again. While it runs, it can import from ``cwd``.

    :param secrets: names whose values no traceback is to show.
    :raises ConfigError: when it does not exist or cannot be read, or when it
        raises; the text names the file, the line and the exception.
    """
    with importable(cwd):
        if location.startswith("python:"):
            module = ModuleType(location.removeprefix("python:"))
            name, path = location, _module_path(module.__name__, origin)
        else:
            module = ModuleType("__config__")
            name = location.removeprefix("file:")
            path = os.path.join(cwd, name)
        module.__file__ = path
        # For relative imports, which only a module in a package can use.
        module.__package__ = module.__name__.rpartition(".")[0]
        return _execute(name, module, _read(name, path, origin), secrets)


@contextmanager
def importable(directory: str) -> Iterator[None]:
    """Let imports find the modules in a directory, until the context ends."""
    sys.path.insert(0, directory)
    try:
        yield
    finally:
        # By value, not by position: the code in between may have inserted more entries.
        if directory in sys.path:
            sys.path.remove(directory)


def _module_path(module: str, origin: Origin) -> str:
    from importlib.util import find_spec  # lazy: few servers are configured by a module

    # Broad, because this imports the package that contains the module.
    try:
        spec = find_spec(module) if module else None
    except (Exception, SystemExit) as error:
        failure = ConfigError(f"config module {module!r}: {one_line(error)} ({origin})")
        raise explained(failure, error) from error
    if spec is None or not spec.has_location or not spec.origin:
        raise ConfigError(f"config module {module!r} cannot be found ({origin})")
    return spec.origin


def _read(name: str, path: str, origin: Origin) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise ConfigError(f"config file {name!r} does not exist ({origin})") from None
    except OSError as error:
        raise ConfigError(
            f"config file {name!r} cannot be read: {error.strerror} ({origin})"
        ) from error


def _execute(name: str, module: ModuleType, source: bytes, secrets: Collection[str]) -> ConfigFile:
    path = str(module.__file__)
    try:
        tree = ast.parse(source, path)
        # The __future__ imports of this module must not apply to the config file.
        code = compile(tree, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        line = f" line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        message = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ConfigError(f"{name}{line}: {type(error).__name__}: {message}") from error
    with _registered(module):
        # Broad, because a config file may be any Python. A SystemExit is a failure too: during
        # a reload it must not end the server.
        try:
            exec(code, vars(module))
        except (Exception, SystemExit) as error:
            said = f"{one_line(error)}{answered(error)}"
            failure = ConfigError(f"{name} line {line_in(error, path)}: {said}")
            hidden = {(path, line) for line in _lines_of_values(tree, secrets)}
            raise explained(failure, error, hidden) from error
    values = {key: value for key, value in vars(module).items() if not key.startswith("__")}
    return ConfigFile(name, values, _lines(tree))


@contextmanager
def _registered(module: ModuleType) -> Iterator[None]:
    """Put a module into ``sys.modules`` while it runs, because dataclasses look it up there."""
    before = sys.modules.get(module.__name__)
    sys.modules[module.__name__] = module
    try:
        yield
    finally:
        if before is None:
            del sys.modules[module.__name__]
        else:
            sys.modules[module.__name__] = before


def _lines(tree: ast.Module) -> dict[str, list[int]]:
    """Map global names to the lines on which they are assigned, conditionally or not."""
    lines: dict[str, list[int]] = {}
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        for name in _assigned(node):
            lines.setdefault(name, []).append(getattr(node, "lineno", 0))
        if not isinstance(node, _SCOPES):
            pending.extend(ast.iter_child_nodes(node))
    return {name: sorted(set(numbers)) for name, numbers in lines.items()}


def _lines_of_values(tree: ast.Module, names: Collection[str]) -> Iterator[int]:
    """Return the lines of the statements that assign one of the names."""
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.NamedExpr):
            assigned = {each for node in ast.walk(statement) for each in _assigned(node)}
            if not assigned.isdisjoint(names):
                yield from range(statement.lineno, (statement.end_lineno or 0) + 1)


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_SCOPES = (*_DEFINITIONS, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def _assigned(node: ast.AST) -> list[str]:
    """List the global names that this node itself assigns."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return [node.id]
    if isinstance(node, _DEFINITIONS):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name.partition(".")[0] for alias in node.names]
    return []
