"""Formats what the code declares as Markdown, with links to the settings that it names."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from corn_core.hookspecs import CORE
from corn_core.settings.registry import Registry

WIDTH = 98

NOTICE = "<!-- Written by docs/generate.py. Change the declarations in the code, not this page. -->"

SETTINGS_PAGES = {
    "settings-application.md": (
        "Settings: application and development",
        ("Application", "Config File", "Commands", "Plugins", "Debugging"),
    ),
    "settings-listening.md": ("Settings: addresses and TLS", ("Server Socket", "SSL")),
    "settings-workers.md": ("Settings: workers", ("Worker Processes",)),
    "settings-logging.md": ("Settings: logging", ("Logging",)),
    "settings-security.md": ("Settings: limits and trust", ("Security",)),
    "settings-process.md": (
        "Settings: processes and files",
        ("Server Mechanics", "Process Naming"),
    ),
}
"""The pages of the core's settings: the title of each, and its sections."""

PLUGIN_SETTINGS = "settings-plugins.md"

# In the declarations' plain text: code in double backquotes, flags, and names with underscores.
_CODE = re.compile(
    r"``(?P<code>[^`]+)``|(?P<bare>(?<![\w-])(?:--[a-z][\w-]*|(?:\w+\.)*[A-Za-z]\w*_\w+))"
)
_SPECIAL = re.compile(r"[\\`*_\[\]<>]")
_LINE_START = re.compile(r"^([-+>#=])(?=\s|$)|^(\d+)([.)])(?=\s)")


def page_of(owner: str, section: str) -> str:
    """Return the page with the settings of a section."""
    if owner != CORE:
        return PLUGIN_SETTINGS
    return next(name for name, (_, sections) in SETTINGS_PAGES.items() if section in sections)


def pages_of(registry: Registry) -> dict[str, str]:
    """Return the page of each setting."""
    return {
        setting.name: page_of(owner, section)
        for (owner, section), settings in registry.sections().items()
        for setting in settings
    }


def link(name: str, registry: Registry, here: str = "") -> str:
    """Return a link to a setting, from a page of the reference."""
    page = pages_of(registry)[name]
    return f"[`{name}`]({'' if page == here else page}#{name})"


def prose(text: str, registry: Registry, here: str = "") -> str:
    """Format a declaration's text as Markdown, with links to the settings that it names.

    :param here: the page of the reference that it is for, if settings are described there.
    """

    def mark(match: re.Match[str]) -> str:
        word = match["code"] or match["bare"]
        # Settings of one word are named by words of the language as well.
        known = "_" in word and word in registry
        return link(word, registry, here) if known else f"`{word}`"

    pieces, end = [], 0
    text = " ".join(text.split())
    for match in _CODE.finditer(text):
        pieces += [escape(text[end : match.start()]), mark(match)]
        end = match.end()
    return "".join([*pieces, escape(text[end:])])


def escape(text: str) -> str:
    return _SPECIAL.sub(lambda match: "\\" + match[0], text)


def paragraph(text: str, indent: str = "") -> str:
    """Wrap Markdown text so that no line of it begins anything but text."""
    lines = textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)
    safe = [_LINE_START.sub(lambda m: f"\\{m[1]}" if m[1] else f"{m[2]}\\{m[3]}", x) for x in lines]
    return f"\n{indent}".join(safe)


def item(text: str) -> str:
    return f"- {paragraph(text, '  ')}"


def code(text: object) -> str:
    return f"`{text}`"


def title(heading: str, introduction: str) -> Iterator[str]:
    yield f"# {heading}"
    yield NOTICE
    yield paragraph(introduction)


def page(blocks: Iterable[str]) -> str:
    return "\n\n".join(blocks) + "\n"


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = ([cell if "`" in cell else escape(cell) for cell in row] for row in rows)
    lines = [headings, ["---"] * len(headings), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
