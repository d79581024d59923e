"""Parses the text that names an application, without importing or evaluating anything."""

from __future__ import annotations

import ast
import os
from typing import Any, NamedTuple

from corn_core.errors import AppLoadError

DEFAULT_NAME = "application"
LIKELY_NAMES = ("application", "app", "create_app", "make_app", "wsgi", "wsgi_app")


class Target(NamedTuple):
    """A parsed application name: ``module:name.name(*args, **kwargs)``."""

    uri: str
    module: str
    path: tuple[str, ...]
    call: tuple[tuple[Any, ...], dict[str, Any]] | None
    """The arguments of a factory; None when the name is the application itself."""

    @property
    def name(self) -> str:
        return ".".join(self.path)


def parse_uri(uri: str) -> Target:
    """Parse an application's name.

    :raises AppLoadError: when it is malformed.
    """
    module, colon, rest = (part.strip() for part in uri.strip().partition(":"))
    if _looks_like_a_file(module):
        raise AppLoadError(f"{uri!r} is a file, not a module; {_instead_of_file(module, rest)}")
    if not all(module.split(".")):
        # Empty, or relative, which makes no sense here.
        raise AppLoadError(f"{uri!r} names no module; write MODULE or MODULE:NAME")
    if not rest:
        if colon:
            raise AppLoadError(
                f"{uri!r} has nothing after the colon; write {module}:NAME, or {module} alone"
                f" for {module}:{DEFAULT_NAME}"
            )
        return Target(uri, module, (DEFAULT_NAME,), None)
    return _parse_expression(uri, module, rest)


def _looks_like_a_file(module: str) -> bool:
    return "/" in module or (module.endswith(".py") and os.path.isfile(module))


def _instead_of_file(path: str, name: str) -> str:
    """Suggest what to write instead of the path of a file."""
    directory, base = os.path.split(os.path.normpath(path))
    module = f"{base.removesuffix('.py')}:{name or _likely_name(path)}"
    if not directory:
        return f"did you mean {module!r}?"
    return f"did you mean {module!r} with --chdir {directory}?"


def _likely_name(path: str) -> str:
    """Guess the application's name from a file's source, without importing it."""
    try:
        with open(path, "rb") as file:
            names = _assigned_names(ast.parse(file.read()))
    except (OSError, SyntaxError, ValueError):
        # The file cannot be parsed, so the usual name has to do.
        return DEFAULT_NAME
    return next((name for name in LIKELY_NAMES if name in names), DEFAULT_NAME)


def _assigned_names(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            names.add(statement.name)
        elif isinstance(statement, ast.Assign):
            names.update(node.id for node in statement.targets if isinstance(node, ast.Name))
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            names.add(statement.target.id)
        elif isinstance(statement, ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in statement.names)
    return names


def _parse_expression(uri: str, module: str, text: str) -> Target:
    try:
        node = ast.parse(text, mode="eval").body
    except SyntaxError:
        raise _malformed(uri, text) from None
    call = None
    if isinstance(node, ast.Call):
        call = _literal_arguments(uri, node)
        node = node.func
    path: list[str] = []
    while isinstance(node, ast.Attribute):
        path.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise _malformed(uri, text)
    return Target(uri, module, (node.id, *reversed(path)), call)


def _malformed(uri: str, text: str) -> AppLoadError:
    return AppLoadError(
        f"{uri!r}: {text!r} is neither a name, such as app or site.app,"
        " nor a call of a factory, such as create_app('production')"
    )


def _literal_arguments(uri: str, call: ast.Call) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Parse the arguments as literals: text from a command line is never evaluated."""
    keywords: dict[str, Any] = {}
    try:
        arguments = tuple(ast.literal_eval(argument) for argument in call.args)
        for keyword in call.keywords:
            if keyword.arg is None:
                raise ValueError("a mapping with ** has no literal names")
            keywords[keyword.arg] = ast.literal_eval(keyword.value)
    except (ValueError, TypeError):
        # TypeError: a literal that has no value, such as {[]: 1}.
        raise AppLoadError(
            f"{uri!r}: the arguments of a factory must be literals, such as 'text', 1, True,"
            f" None or a list of them (found {ast.unparse(call)})"
        ) from None
    return arguments, keywords
