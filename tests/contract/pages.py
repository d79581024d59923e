"""Reads the documentation: headings, links and code blocks of Markdown pages.

A block is marked by words after its language, which neither Sphinx nor GitHub shows:

```` ```python file=hello.py ````
    write the block to this file; with ``check`` too, corn's --check-config must accept it
```` ```python append=hello.py ````
    write the block below what an earlier one has written to this file: two lines below, or one
    if its first line is indented
```` ```console run ````
    run the lines that begin with ``$``; the others are what they print (see ``walkthrough``)
```` ```python run ````
    run the block
```` ```console server ````
    start the only command as a server; the other lines appear in its log. With ``terminal`` too,
    they are those that it writes to a terminal, except for the colours
```` ```text log ````
    these lines appear in the log of the server that runs
```` ```console example ````
    for reading only
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

PROSE = sorted(DOCS.glob("*.md"))
TUTORIALS = sorted(DOCS.glob("writing-*.md"))
QUICKSTARTS = DOCS / "quickstarts.md"
REFERENCE = sorted(DOCS.glob("reference/*.md"))
OTHERS = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
    ROOT / "benchmarks" / "README.md",
    *sorted(ROOT.glob("plugins/*/README.md")),
    *sorted(ROOT.glob("examples/**/README.md")),
]

_FENCE = re.compile(
    r"^(?P<fence>`{3,})(?P<language>[\w+-]*)(?P<words>[^\n`]*)\n(?P<text>.*?)^(?P=fence)$",
    flags=re.MULTILINE | re.DOTALL,
)
_HEADING = re.compile(r"^#{1,6} (.+)$", flags=re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^()\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """A code block, with the words that mark it."""

    language: str
    words: frozenset[str]
    text: str

    @property
    def file(self) -> str | None:
        """The file that the block is to be written to."""
        return self._value("file")

    @property
    def appended_to(self) -> str | None:
        """The file that the block is to be added to."""
        return self._value("append")

    @property
    def space(self) -> str:
        """The text between it and the block that it is added to."""
        return "\n" if self.text.startswith(" ") else "\n\n"

    @property
    def exit_status(self) -> int:
        """The exit status of the last of its commands."""
        return int(self._value("exit") or 0)

    @property
    def commands(self) -> list[tuple[str, list[str]]]:
        """The lines after ``$``, each with the lines that follow it."""
        found: list[tuple[str, list[str]]] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif found:
                found[-1][1].append(line)
        return found

    def _value(self, name: str) -> str | None:
        values = (word.partition("=")[2] for word in self.words if word.startswith(f"{name}="))
        return next(values, None)


def blocks(text: str) -> list[Block]:
    """Return the code blocks of a page, in order."""
    return [
        Block(match["language"], frozenset(match["words"].split()), match["text"])
        for match in _FENCE.finditer(text)
    ]


def files(text: str) -> dict[str, str]:
    """Return the files that a page writes, each whole."""
    found: dict[str, str] = {}
    for block in blocks(text):
        if block.file:
            found[block.file] = block.text
        elif block.appended_to:
            found[block.appended_to] += block.space + block.text
    return found


def without_blocks(text: str) -> str:
    return _FENCE.sub("", text)


def headings(text: str) -> list[str]:
    """Return the headings of a page, without the backquotes in them."""
    return [found.replace("`", "") for found in _HEADING.findall(without_blocks(text))]


def anchors(text: str) -> set[str]:
    """Return the anchors that Sphinx and GitHub make of the headings."""
    return {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings(text)}


def links(text: str) -> list[str]:
    """List the targets of a page's links, except those in code."""
    return _LINK.findall(_CODE.sub("", without_blocks(text)))


def inline_code(text: str) -> list[str]:
    return _CODE.findall(without_blocks(text))


def broken_links(page: Path) -> Iterator[str]:
    """Yield the relative links of a page that lead nowhere."""
    for link in links(page.read_text()):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            yield link
