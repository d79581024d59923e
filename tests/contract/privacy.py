"""Reads the classes of the core and the plugins, and finds uses of what is private elsewhere.

A name that begins with an underscore belongs to the distribution whose class has it. Another
distribution neither uses it on an object nor overrides it in a subclass; if it needs it, the name
is not private, and should not begin with an underscore.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from tests.contract.layering import Sources, imports

Packages = Mapping[str, Sources]
"""The sources of the modules of each package, by its name."""


@dataclass
class Class:
    """A class, as far as its source tells.

    :ivar private: the names with an underscore that it defines.
    """

    package: str
    name: str
    bases: list[str]
    private: set[str] = field(default_factory=set)


def intrusions(packages: Packages) -> list[str]:
    """List the uses of a private name of another package's class."""
    classes = [one for name, sources in packages.items() for one in _classes(name, sources)]
    found = []
    for package, sources in packages.items():
        own = {name for one in classes if one.package == package for name in one.private}
        own |= _module_names(sources)
        used = {each.target.partition(".")[0] for each in imports(sources)} - {package}
        foreign = {name for one in classes if one.package in used for name in one.private}
        for module, source in sources.items():
            for node in ast.walk(_parsed(source)):
                if isinstance(node, ast.Attribute) and node.attr in foreign - own:
                    found.append(f"{module}:{node.lineno} uses {node.attr}")
    return found + [
        f"{one.package}.{one.name} overrides {name} of {base.name}"
        for one in classes
        for base in _foreign_bases(one, classes)
        for name in sorted(one.private & base.private)
    ]


@cache
def _parsed(source: str) -> ast.Module:
    return ast.parse(source)


def _foreign_bases(one: Class, classes: list[Class]) -> Iterator[Class]:
    """Yield the classes of other packages that a class derives from, however remotely."""
    for base in classes:
        if base.name in one.bases and base is not one:
            if base.package != one.package:
                yield base
            for remote in _foreign_bases(base, classes):
                if remote.package != one.package:
                    yield remote


def _classes(package: str, sources: Sources) -> Iterator[Class]:
    for source in sources.values():
        for node in ast.walk(_parsed(source)):
            if isinstance(node, ast.ClassDef):
                bases = [ast.unparse(base).partition("[")[0] for base in node.bases]
                made = Class(package, node.name, [base.rpartition(".")[2] for base in bases])
                made.private.update(filter(_is_private, _defined(node)))
                yield made


def _defined(node: ast.ClassDef) -> Iterator[str]:
    """Yield the attributes that a class defines, in its body or by assigning to ``self``."""
    for child in node.body:
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child.name
        elif isinstance(child, ast.AnnAssign):
            yield ast.unparse(child.target)
        elif isinstance(child, ast.Assign):
            yield from map(ast.unparse, child.targets)
    for part in ast.walk(node):
        if (
            isinstance(part, ast.Attribute)
            and isinstance(part.ctx, ast.Store)
            and isinstance(part.value, ast.Name)
            and part.value.id == "self"
        ):
            yield part.attr


def _module_names(sources: Sources) -> set[str]:
    """Return the private names that modules define: ``module._name`` is not an intrusion."""
    names = set()
    for source in sources.values():
        for statement in _parsed(source).body:
            if isinstance(statement, ast.FunctionDef | ast.ClassDef):
                names.add(statement.name)
            elif isinstance(statement, ast.Assign):
                names.update(map(ast.unparse, statement.targets))
    return set(filter(_is_private, names))


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")
