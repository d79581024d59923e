"""Writes the reference pages from the code: `python docs/generate.py`.

Everything on these pages is derived: settings from the registry, hooks from their
specifications, flags and exit statuses from the command line. A test compares the pages with
what this program makes, so after a change of a declaration they have to be written anew.

Only the distributions of this repository are described, whatever else is installed.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path

import apidoc
from markup import (
    NOTICE,
    PLUGIN_SETTINGS,
    SETTINGS_PAGES,
    WIDTH,
    code,
    item,
    link,
    markdown_table,
    page,
    page_of,
    pages_of,
    paragraph,
    prose,
    title,
)

from corn_core import hookspecs
from corn_core.assemble import registry_of
from corn_core.extensions.hints import ATTRIBUTES
from corn_core.extensions.manager import load_plugins
from corn_core.hookspecs import CORE, HOOKS, Hook
from corn_core.setting import Setting
from corn_core.settings.commandline import value_name
from corn_core.settings.environment import CMD_ARGS, FOREIGN_CMD_ARGS
from corn_core.settings.manual import exit_statuses
from corn_core.settings.registry import COMMANDS, Registry
from corn_gunicorn import table
from corn_gunicorn.attributes import DEEPER
from corn_gunicorn.finder import MISSING

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"

GUNICORN_PAGE = "coming-from-gunicorn.md"
"""Written by hand, except for the tables at its end."""

PUBLIC = ("corn_core.plugin", "corn_core.worker", "corn_core.typing", "corn_core.http")
"""The public modules, in the order of the page."""

FIELDS = ("When", "Process", "Arguments", "Result", "If it raises", "Since")
"""The fields of a hook's docstring, in their order."""


# -- what there is -------------------------------------------------------------------


def own_distributions() -> set[str]:
    """Return the names of the distributions that this repository makes."""
    manifests = [ROOT / "pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml")]
    return {tomllib.loads(path.read_text())["project"]["name"] for path in manifests}


def load_registry() -> Registry:
    """Return the settings of the core and of the plugins in this repository."""
    own = own_distributions()
    found = entry_points(group="corn.plugins")
    foreign = {each.name for each in found if each.dist is None or each.dist.name not in own}
    return registry_of(load_plugins(foreign))


def called_hooks() -> set[str]:
    """Return the hooks whose name stands anywhere in the core beside their specification."""
    sources = ROOT.glob("corn_core/**/*.py")
    trees = (ast.parse(path.read_text()) for path in sources if path.name != "hookspecs.py")
    constants = (
        node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)
    )
    return {node.value for node in constants if node.value in HOOKS}


def hook_fields(name: str) -> tuple[str, dict[str, str]]:
    """Return the summary and the fields of a hook's docstring."""
    text = inspect.getdoc(getattr(hookspecs, name)) or ""
    summary, *rest = re.split(r"^([A-Z][a-z ]+): ", text, flags=re.MULTILINE)
    return summary.strip(), dict(zip(rest[::2], (one.strip() for one in rest[1::2]), strict=True))


# -- the pages -----------------------------------------------------------------------


def settings_page() -> str:
    return page(_settings(load_registry()))


def _settings(registry: Registry) -> Iterator[str]:
    yield from title(
        "Settings",
        "Every setting, where it may be set, and its default, written as it would be in a config"
        " file. A setting that may be set on the command line"
        f" may be set in the environment variable `{CMD_ARGS}` too; see [Running](../running.md)"
        " for which source wins.",
    )
    pages = dict.fromkeys([*SETTINGS_PAGES, PLUGIN_SETTINGS])
    for name in pages:
        yield f"## [{_title_of(name)}]({name})"
        for (owner, section), settings in registry.sections().items():
            if page_of(owner, section) == name:
                yield f"### {section}" if owner == CORE else f"### {section} ({owner})"
                yield "\n".join(
                    item(f"{link(each.name, registry)}: {prose(each.summary, registry)}")
                    for each in settings
                )
    yield "```{toctree}\n:hidden:\n\n" + "\n".join(name[:-3] for name in pages) + "\n```"


def _title_of(name: str) -> str:
    return SETTINGS_PAGES[name][0] if name in SETTINGS_PAGES else "Settings of plugins"


def settings_of(name: str) -> str:
    """Make one page of settings."""
    return page(_settings_of(name, load_registry()))


def _settings_of(name: str, registry: Registry) -> Iterator[str]:
    yield from title(
        _title_of(name),
        "[All settings](settings.md) are on several pages; [Running](../running.md) tells where"
        " a setting may be set, and which place wins.",
    )
    for (owner, section), settings in registry.sections().items():
        if page_of(owner, section) == name:
            yield f"## {section}" if owner == CORE else f"## Plugin {owner}: {section}"
            for setting in settings:
                yield from _setting(setting, registry, name)


def _setting(setting: Setting, registry: Registry, here: str) -> Iterator[str]:
    yield f"### {code(setting.name)}"
    yield paragraph(prose(setting.help, registry, here))
    yield "\n".join(map(item, _facts(setting)))


def _facts(setting: Setting) -> Iterator[str]:
    yield f"Command line: {', '.join(map(code, spellings(setting))) or 'no flag'}"
    yield f"Config file: {code(setting.name) if 'file' in setting.places else 'no'}"
    yield f"Environment: {code(setting.env) if setting.env else 'no variable'}"
    yield f"Default: {setting.default_text or code(repr(setting.shown(setting.default)))}"
    if setting.choices:
        yield f"Values: {', '.join(map(code, setting.choices))}"
    if setting.secret:
        yield "Secret: messages, logs and `--print-config` show its type and not its value"
    yield f"Since: {setting.since}"


def spellings(setting: Setting) -> list[str]:
    """Return the flags of a setting, each with the placeholder of its argument."""
    return [f"{flag} {value_name(setting)}".rstrip() for flag in setting.flags]


def hooks_page() -> str:
    return page(_hooks(load_registry()))


def _hooks(registry: Registry) -> Iterator[str]:
    yield from title(
        "Hooks",
        "Every hook, with its arguments and what a failure does. [Hooks in a config"
        " file](../hooks.md) and [Writing plugins](../plugins.md) show how they are used. A plugin"
        " takes the arguments it wants, by name; a function in a config file takes them by"
        " position, under any names. When several plugins implement a hook, all are called, those"
        " registered last first, and one that fails does not keep the others from being called.",
    )
    called = called_hooks()
    for heading, in_config_file in (("Server hooks", True), ("Extension points", False)):
        yield f"## {heading}"
        for hook in HOOKS.values():
            if hook.in_config_file is in_config_file:
                yield from _hook(hook, registry)
                if hook.name not in called:
                    yield "**This version does not call it yet.**"


def _hook(hook: Hook, registry: Registry) -> Iterator[str]:
    summary, fields = hook_fields(hook.name)
    yield f"### {code(hook.name)}"
    yield f"```text\n{hook.name}({', '.join(hook.arguments)})\n```"
    yield paragraph(prose(summary, registry))
    facts = [f"{name}: {prose(fields[name], registry)}" for name in FIELDS]
    facts.insert(-1, f"Failure policy: {'fatal' if hook.fatal else 'logged'}")
    facts.insert(-1, f"Config file: {_in_config_file(hook)}")
    if hook.firstresult:
        facts.insert(-1, "Answer: the first result other than `None`; the rest are not called")
    yield "\n".join(map(item, facts))


def _in_config_file(hook: Hook) -> str:
    if not hook.in_config_file:
        return "no, for plugins only"
    most = len(hook.arguments)
    if hook.least == most:
        return f"a function of {most} argument{'' if most == 1 else 's'}"
    counts = [str(count) for count in range(hook.least, most + 1)]
    return f"a function of {', '.join(counts[:-1])} or {counts[-1]} arguments"


def command_line_page() -> str:
    return page(_command_line(load_registry()))


def _command_line(registry: Registry) -> Iterator[str]:
    yield from title(
        "Command line",
        "What `corn -h all` shows, with links to the whole description of each setting. Where a"
        " flag takes an argument, `--flag VALUE` and `--flag=VALUE` are the same."
        " `python -m corn_core` is the same program.",
    )
    yield "```text\ncorn [OPTIONS] [MODULE:APP]\n```"
    yield "## Commands"
    yield paragraph("Each of these answers and exits; the server does not start.")
    yield "\n".join(
        item(
            f"{', '.join(code(f'{flag} {command.metavar}'.rstrip()) for flag in command.flags)}:"
            f" {prose(command.help, registry)}"
        )
        for command in COMMANDS.values()
    )
    for (owner, section), settings in registry.sections().items():
        flags = [item(_flag(setting, registry)) for setting in settings if setting.flags]
        if flags:
            yield f"## {section}" if owner == CORE else f"## Plugin {owner}: {section}"
            yield "\n".join(flags)
    yield from _surroundings(registry)


def _flag(setting: Setting, registry: Registry) -> str:
    flags = ", ".join(map(code, spellings(setting)))
    summary = prose(setting.summary, registry)
    return f"{flags}: {summary} See {link(setting.name, registry)}."


def _surroundings(registry: Registry) -> Iterator[str]:
    yield "## Environment variables"
    variables = [f"`{CMD_ARGS}`: more arguments, as a shell would divide them."]
    variables.append(f"`{FOREIGN_CMD_ARGS}`: the same, read when `{CMD_ARGS}` is not set.")
    for setting in registry:
        if setting.env:
            name = link(setting.name, registry)
            variables.append(f"`{setting.env}`: takes the place of the default of {name}.")
    yield "\n".join(map(item, variables))
    yield "## Exit status"
    statuses = ["`0`: The command did what it was told, or the server was stopped."]
    statuses += [f"`{status}`: {meaning}" for status, meaning in exit_statuses().items()]
    yield "\n".join(map(item, statuses))


def modules_page() -> str:
    return page(_modules(load_registry()))


def _modules(registry: Registry) -> Iterator[str]:
    yield from title(
        "Modules of the core",
        "Every module of `corn_core`, with the first sentence of its documentation.",
    )
    for package, names in _packages().items():
        yield f"## {code(package)}"
        yield "\n".join(
            item(f"{code(name)}: {prose(first, registry)}") for name, first in names.items()
        )


def _packages() -> dict[str, dict[str, str]]:
    """List the modules of each package, in alphabetical order, with what they are."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(ROOT.glob("corn_core/**/*.py")):
        package = ".".join(path.relative_to(ROOT).parent.parts)
        text = " ".join((ast.get_docstring(ast.parse(path.read_text())) or "").split())
        first, dot, _ = text.partition(". ")
        found.setdefault(package, {})[path.stem] = first + "." if dot else text
    return found


# -- the public names ----------------------------------------------------------------


_FIELD = re.compile(r"^:(\w+)(?: ([\w.*]+))?: ", flags=re.MULTILINE)
_ROLE = re.compile(r":\w+:`~?([^`]+)`")


def _described(text: str, registry: Registry) -> tuple[list[str], list[str]]:
    """Format a docstring: its paragraphs, and its fields as items."""
    text = _ROLE.sub(r"``\1``", text)
    prefix, *fields = _FIELD.split(text)
    items = []
    for kind, name, value in zip(fields[::3], fields[1::3], fields[2::3], strict=True):
        label = {"raises": f"Raises {code(name)}", "returns": "Returns"}.get(kind) or code(name)
        items.append(f"{label}: {prose(value, registry)}")
    paragraphs = []
    for part in re.split(r"\n\s*\n", prefix.strip()):
        if part.startswith("    "):
            paragraphs.append(f"```text\n{textwrap.dedent(part)}\n```")
        elif part:
            shown = part.removesuffix(":") if part.endswith("::") else part
            paragraphs.append(paragraph(prose(shown, registry)))
    return paragraphs, items


def api_page() -> str:
    return page(_api(load_registry()))


def _api(registry: Registry) -> Iterator[str]:
    yield from title(
        "Public names",
        "The names that plugins may import, by module. [What is public](../public.md) says what is"
        " promised about them. Everything is there since version 0.1, unless it says otherwise.",
    )
    seen: dict[tuple[str, str], str] = {}
    for module in PUBLIC:
        yield f"## {code(module)}"
        yield from _described(ast.get_docstring(apidoc.tree(module)) or "", registry)[0]
        names = apidoc.public_names(module)
        again = [name for name, one in names.items() if (one.module, one.name) in seen]
        if again:
            links = (f"[`{name}`](#{name.lower()})" for name in again)
            yield paragraph(f"Also here, and described above: {', '.join(links)}.")
        for name in sorted(names.keys() - again, key=str.lower):
            one = names[name]
            heading = name if name not in seen.values() else f"{module.rpartition('.')[2]}.{name}"
            seen[one.module, one.name] = name
            yield f"### {code(heading)}"
            yield from _public(one, name, registry)


def _public(one: apidoc.Public, name: str, registry: Registry) -> Iterator[str]:
    usage = apidoc.signature(one.node).replace(one.name, name, 1)
    if len(usage) > WIDTH and not isinstance(one.node, ast.ClassDef | ast.FunctionDef):
        usage = name
    yield f"```text\n{apidoc.wrapped(usage, WIDTH)}\n```"
    paragraphs, items = _described(one.text, registry)
    yield from paragraphs
    if isinstance(one.node, ast.ClassDef):
        for usage, text in apidoc.members(one.node):
            told, fields = _described(text, registry)
            said = " ".join(" ".join(each.split()) for each in (*told, *fields))
            items.append(f"{code(usage)}: {said}" if said else code(usage))
    if items:
        yield "\n".join(map(item, items))


def gunicorn_page() -> str:
    """Return the page as it is, with the tables below the notice made anew."""
    before, _, _ = (ROOT / "docs" / GUNICORN_PAGE).read_text().partition(NOTICE)
    return f"{before.rstrip()}\n\n{page([NOTICE, *_gunicorn()])}"


def _gunicorn() -> Iterator[str]:
    rows = [*table.SETTINGS, *table.HOOKS]
    yield "## Settings and hooks that corn does not have"
    lost: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if not row.carried:
            lost.setdefault((row.text, row.instead), []).append(f"{code(row.name)} {versions(row)}")
    headings = ("Gunicorn, and since when", "why", "instead")
    yield markdown_table(headings, ((", ".join(names), *why) for why, names in lost.items()))
    yield "## Settings and hooks with a difference"
    remarks = {row.name: remark(row) for row in rows if row.carried}
    differ = [(code(name), text) for name, text in remarks.items() if text]
    yield markdown_table(("setting", "in corn"), differ)
    yield "## Settings and hooks that are the same"
    names = (code(name) for name, text in remarks.items() if not text)
    yield paragraph(f"{', '.join(names)}.")
    yield "## Attributes in hook functions"
    attributes = sorted({**ATTRIBUTES, **DEEPER}.items())
    yield markdown_table(("Gunicorn", "instead"), ((code(path), how) for path, how in attributes))
    yield "## Modules without a counterpart"
    absent = sorted(MISSING.items())
    yield markdown_table(("module", "instead"), ((code(name), how) for name, how in absent))


def remark(row: table.Known) -> str:
    """Say what is different in a setting that corn has."""
    parts = [f"with the plugin {row.plugin}" if row.plugin else "", row.text]
    parts += [f"{value}: {instead}" for value, instead in row.values.items()]
    return "; ".join(part for part in parts if part)


def versions(row: table.Known) -> str:
    until = f"to {row.until}" if row.until else ""
    return " ".join(part for part in (row.since, until) if part)


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page,
    **{name: partial(settings_of, name) for name in (*SETTINGS_PAGES, PLUGIN_SETTINGS)},
    "hooks.md": hooks_page,
    "command-line.md": command_line_page,
    "modules.md": modules_page,
    "api.md": api_page,
    f"../{GUNICORN_PAGE}": gunicorn_page,
}


# -- links in the pages that are written by hand ---------------------------------------

_SETTING_LINK = re.compile(r"(?<=\(reference/)settings[a-z-]*\.md(?=#(\w+)\))")


def relinked(text: str, registry: Registry) -> str:
    """Point each link to a setting at the page that describes it.

    Authors need not know the page: ``reference/settings.md#workers`` will do.
    """
    pages = pages_of(registry)
    return _SETTING_LINK.sub(lambda match: pages.get(match[1], match[0]), text)


def main() -> None:
    for name, make in PAGES.items():
        (REFERENCE / name).write_text(make())
    registry = load_registry()
    for path in (ROOT / "docs").glob("*.md"):
        path.write_text(relinked(path.read_text(), registry))


if __name__ == "__main__":
    main()
