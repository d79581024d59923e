"""Reads the prose of the project and finds phrases that do not read as native English.

Prose is what stands outside the code blocks of a page, and in Python the docstrings, the comments
and the texts of three words or more. Only phrases that a pattern can tell for certain are looked
for: the checks keep them from coming back, and cannot replace a reader.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.contract.pages import ROOT, without_blocks

MARKS = {
    "'is no X' for 'is not an X'": (
        r"(?<!\bthere )\b(?:is|are|was|were) no (?!longer\b|more\b|less\b|fewer\b|good\b)"
    ),
    "a riddle: name the client, the worker or the operator": (
        r"\b(?:nobody|somebody|anybody|everybody|whoever)\b"
    ),
    "'once a worker' for 'once per worker'": (
        r"\b(?:once|one|twice) an? (?:connection|line|listener|process|request|setting"
        r"|slot|status|thread|worker)\b(?!'s)"
    ),
    "'for' in the sense of 'because'": r"[,;:] for (?:it|they|there|we|otherwise|nothing)\b",
}
"""The phrases, as patterns in lower case."""

OWN = ("prose.py", "test_prose.py")
"""The files of this check, which quote what is wrong."""

FIRST_WORD = "a docstring that does not begin with a verb"
_CLAUSE = re.compile(r"(?:What|Whether|Who|Whose|How|Where|Which|Those|That)\b")
_NOUN = re.compile(r"(?:The|A|An|All|Every|No|Nothing|One|In|With|When)\b")

_CODE = re.compile(r"`+[^`]*`+")


@dataclass(frozen=True)
class Finding:
    """A phrase to be said differently, and the line that its paragraph begins on."""

    line: int
    rule: str
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.rule}: ...{self.text}..."


@cache
def units() -> dict[str, list[Path]]:
    """All files with prose, by the package, the plugin or the page that they belong to."""
    found: dict[str, list[Path]] = {}
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")):
        if "_build" not in path.parts:
            found[str(path.relative_to(ROOT))] = [path]
    for top in ("corn_core", "plugins", "docs", "examples", "benchmarks", "tests"):
        for path in sorted(ROOT.glob(f"{top}/**/*.py")):
            # The peers that `make bench` installs are below benchmarks.
            if path.name not in OWN and ".venv" not in path.parts:
                found.setdefault(_unit(path.relative_to(ROOT)), []).append(path)
    for path in ROOT.glob("plugins/*/README.md"):
        found[f"plugins/{path.parent.name}"].append(path)
    return found


def _unit(path: Path) -> str:
    """Name the unit of a file: a plugin, its tests, a package, or a module that is in none."""
    if path.parts[0] == "plugins" and path.parts[2] != "src":
        return "/".join(path.parts[:3])
    return "/".join(path.parts[:2])


def findings(path: Path) -> Iterator[Finding]:
    """Yield what is found in one file."""
    text = path.read_text()
    yield from in_python(text) if path.suffix == ".py" else in_page(text)


def in_page(text: str) -> Iterator[Finding]:
    """Yield what is found in a page, whose lines count without its code blocks."""
    paragraph: list[str] = []
    for number, line in enumerate([*without_blocks(text).splitlines(), ""], 1):
        # Indented by four columns it is code, and each row of a table stands by itself.
        if line.strip() and not line.startswith("    "):
            paragraph.append(line)
            if not line.startswith("|"):
                continue
        yield from _phrases(" ".join(paragraph), number - len(paragraph))
        paragraph = []


def in_python(source: str) -> Iterator[Finding]:
    """Yield what is found in a module."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node) or ""
            if _CLAUSE.match(docstring) or (_acts(node) and _NOUN.match(docstring)):
                line = getattr(node, "lineno", 1)
                yield Finding(line, FIRST_WORD, docstring.partition("\n")[0])
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        if len(node.value.split()) > 2:
            yield from _phrases(node.value, node.lineno)
    yield from _in_comments(source)


def _acts(node: ast.AST) -> bool:
    """Tell whether it is a function that is called: not a class, property, fixture or test."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    marks = " ".join(map(ast.unparse, node.decorator_list))
    return not re.search(r"property|fixture", marks) and not node.name.startswith("test_")


def _in_comments(source: str) -> Iterator[Finding]:
    """Yield what is found in comments; those on successive lines are one text."""
    lines: list[str] = []
    last = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        if token.start[0] != last + 1:
            yield from _phrases(" ".join(lines), last - len(lines) + 1)
            lines = []
        last = token.start[0]
        lines.append(token.string.lstrip("# "))
    yield from _phrases(" ".join(lines), last - len(lines) + 1)


def _phrases(text: str, line: int) -> Iterator[Finding]:
    prose = " ".join(_CODE.sub("`", text).split())
    for rule, pattern in MARKS.items():
        for match in re.finditer(pattern, prose.lower()):
            around = prose[max(0, match.start() - 20) : match.end() + 20]
            yield Finding(line, rule, around)
