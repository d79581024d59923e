"""Reads the public modules for the reference: what they offer, and what is said about it.

Nothing is imported: definitions, annotations and docstrings are taken from the sources, and so are
the texts that stand below constants and attributes.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]


class Public(NamedTuple):
    """A public name, and where it is defined.

    :param node: the statement that defines it.
    :param text: its docstring, or the one below it.
    """

    module: str
    name: str
    node: ast.stmt
    text: str


def public_names(module: str) -> dict[str, Public]:
    """Return what a public module offers, by the name that it has there."""
    origins = _imported(module)
    names = ast.literal_eval(_assigned(tree(module).body, "__all__"))
    return {name: _find(*origins.get(name, (module, name))) for name in names}


def _find(module: str, name: str) -> Public:
    """Find the statement that defines a name, through the modules that only import it."""
    body = tree(module).body
    for node, text in _with_text(body):
        if _name_of(node) == name:
            return Public(module, name, node, text)
    return _find(*_imported(module)[name])


def tree(module: str) -> ast.Module:
    path = ROOT.joinpath(*module.split("."))
    return ast.parse(
        (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text()
    )


def _imported(module: str) -> dict[str, tuple[str, str]]:
    """Return where a module imports its names from, also those that it imports late."""
    return {
        alias.asname or alias.name: (node.module or "", alias.name)
        for node in ast.walk(tree(module))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def _assigned(body: list[ast.stmt], name: str) -> ast.expr:
    (value,) = [
        node.value for node in body if isinstance(node, ast.Assign) and _name_of(node) == name
    ]
    return value


def _name_of(node: ast.stmt) -> str:
    """Return the name that a statement defines, or an empty text."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return node.name
    if isinstance(node, ast.AnnAssign):
        return ast.unparse(node.target)
    return ast.unparse(node.targets[0]) if isinstance(node, ast.Assign) else ""


def _with_text(body: list[ast.stmt]) -> Iterator[tuple[ast.stmt, str]]:
    """Yield the statements, each with its docstring or the one that follows it."""
    for node, following in zip(body, [*body[1:], ast.Pass()], strict=True):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node, ast.get_docstring(node) or ""
        elif isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            yield node, inspect.cleandoc(str(following.value.value))
        else:
            yield node, ""


def signature(node: ast.stmt) -> str:
    """Write a definition on one line, as it is used."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        arguments = ast.unparse(node.args)
        if re.match(r"(self|cls)\b", arguments):
            arguments = re.sub(r"^\w+(, /)?(, )?", "", arguments)
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        return f"{node.name}({arguments}){returns}"
    if not isinstance(node, ast.ClassDef):
        return ast.unparse(node)
    bases = [ast.unparse(base) for base in node.bases]
    if "NamedTuple" in bases:
        fields = [ast.unparse(each) for each in node.body if isinstance(each, ast.AnnAssign)]
        return f"{node.name}({', '.join(fields)})"
    made = [each for each in node.body if _name_of(each) == "__init__"]
    if made and "Exception" not in bases:
        return signature(made[0]).replace("__init__", node.name, 1).removesuffix(" -> None")
    return f"class {node.name}({', '.join(bases)})"


def members(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """Yield the public attributes and methods of a class, as they are used, and their texts."""
    fields = "NamedTuple" in map(ast.unparse, node.bases)
    for each, text in _with_text(node.body):
        name = _name_of(each)
        if not name or name.startswith("_") or (fields and isinstance(each, ast.AnnAssign)):
            continue
        if not isinstance(each, ast.FunctionDef):
            kind = f": {ast.unparse(each.annotation)}" if isinstance(each, ast.AnnAssign) else ""
            yield f"{name}{kind}" if kind else ast.unparse(each), text
        elif "property" in map(ast.unparse, each.decorator_list):
            yield f"{name}: {ast.unparse(each.returns or each)}", text
        else:
            yield signature(each), text


def wrapped(usage: str, width: int) -> str:
    """Break a signature that is longer than a line after each of its arguments."""
    if len(usage) <= width or "(" not in usage:
        return usage
    head, _, rest = usage.partition("(")
    inner, _, tail = rest.rpartition(")")
    depth, lines = 0, [""]
    for character in inner:
        depth += (character in "([{") - (character in ")]}")
        lines[-1] += character
        if character == "," and not depth:
            lines.append("")
    return "\n".join([f"{head}(", *(f"    {line.strip()}" for line in lines), f"){tail}"])
