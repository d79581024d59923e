"""The command line: a parser derived from the registry, and a peek at argv before one exists."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

from corn_core.config import Origin, parsed
from corn_core.errors import ConfigError, did_you_mean
from corn_core.findings import Finding, Review
from corn_core.hookspecs import CORE
from corn_core.setting import Setting
from corn_core.settings.environment import default_value, extra_arguments
from corn_core.settings.registry import COMMANDS, Registry

Given = dict[str, tuple[str, Any]]
"""The settings given as arguments: by name, the flag that was used and the raw value."""

USAGE = "corn [OPTIONS] [MODULE:APP]"
DESCRIPTION = "Serve the WSGI or ASGI application APP of the Python module MODULE."


def early_command(argv: Sequence[str]) -> str | None:
    """Find the command in argv; returns a key of ``COMMANDS``, or None if there is none.

    This works before plugins are loaded, and so before a parser exists.
    """
    flags = {flag: name for name, command in COMMANDS.items() for flag in command.flags}
    tokens = (token.partition("=")[0] for token in _split(argv)[0])
    return next((flags[token] for token in tokens if token in flags), None)


def early_argument(command: str, argv: Sequence[str]) -> str:
    """Return the word after the flag of a command; empty if there is none."""
    return next(_values_of(COMMANDS[command].flags, _split(argv)[0]), "")


def early_value(setting: Setting, argv: Sequence[str], environ: Mapping[str, str]) -> Any:
    """Read one repeatable setting before a parser exists.

    The setting that says which plugins to leave out needs this: plugins declare flags, so its
    value must be known before the command line can be parsed.
    """
    _, more = extra_arguments(environ)
    for arguments in (argv, more):
        values = list(_values_of(setting.flags, _split(arguments)[0]))
        if values:
            return parsed(setting, values, Origin("flag", setting.flags[0]))
    return default_value(setting, environ)[0]


def early_flag(setting: Setting, argv: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Tell whether a flag without a value is given; known even if other arguments are wrong."""
    _, more = extra_arguments(environ)
    return any(flag in _split(each)[0] for flag in setting.flags for each in (argv, more))


def parse(
    registry: Registry, argv: Sequence[str], review: Review, variable: str = ""
) -> tuple[Given, list[str]]:
    """Parse the arguments into values of settings and the arguments that are not flags.

    :param variable: the environment variable that the arguments came from, for messages.
    :raises ConfigError: for a flag that lacks its value; also for one that does not exist, unless
        the review gathers errors.
    """
    flags, rest = _split(argv)
    if not flags:
        # The variable is rarely set, and making a parser takes more than a millisecond.
        return {}, [*rest]
    try:
        # Positional arguments are not declared, because argparse would accept only adjacent ones.
        namespace, others = _parser(registry, for_help=False).parse_known_args(flags)
    except _Refused as error:
        raise ConfigError(f"{error}{f' ({variable})' if variable else ''}") from None
    return vars(namespace), [*_arguments(registry, others, review, variable), *rest]


def flag_origin(flag: str, variable: str) -> Origin:
    """Return the origin of a flag's value; ``variable`` is empty for the command line itself."""
    return Origin("cmd_args", f"{variable} {flag}") if variable else Origin("flag", flag)


def help_text(registry: Registry, usage: str = USAGE, description: str = DESCRIPTION) -> str:
    """Format the text of ``corn -h``, grouped by section and by plugin.

    :param usage: the usage line, for another command that takes the same flags.
    :param description: a sentence about that command.
    """
    parser = _parser(registry, for_help=True)
    parser.usage, parser.description = usage, description
    return parser.format_help()


def value_name(setting: Setting) -> str:
    """Return the placeholder for the argument of a setting's flags; empty if they take none."""
    if setting.action not in ("store", "append"):
        return ""
    return setting.metavar or (
        f"{{{','.join(setting.choices)}}}" if setting.choices else setting.name.upper()
    )


class _Refused(Exception):
    """argparse's complaint, which it would otherwise print before exiting with status 2."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _Refused(message)


class _Give(argparse.Action):
    """Records the raw value of a setting, and the spelling of the flag that gave it."""

    def __init__(self, setting: Setting, option_strings: Sequence[str], **keywords: Any) -> None:
        super().__init__(option_strings, **keywords)
        self.setting = setting

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        raw = values
        if self.setting.action in ("store_true", "store_false"):
            off = (option_string or "").startswith("--no-")
            raw = self.setting.action == "store_true" and not off
        elif self.setting.action == "append":
            raw = [*getattr(namespace, self.dest, (None, []))[1], values]
        setattr(namespace, self.dest, (option_string, raw))


class _Command(argparse.Action):
    """Refuses a command among other flags; :func:`early_command` finds those on their own."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        parser.error(f"{'/'.join(self.option_strings)} must be given on its own")


def _parser(registry: Registry, *, for_help: bool) -> _Parser:
    parser = _Parser(
        prog="corn",
        add_help=False,
        allow_abbrev=False,
    )
    commands = parser.add_argument_group("Commands")
    for command in COMMANDS.values():
        commands.add_argument(
            *command.flags,
            action=_Command,
            default=argparse.SUPPRESS,
            nargs="?" if command.metavar else 0,
            metavar=command.metavar.strip("[]") or None,
            help=command.help,
        )
    for (owner, section), settings in registry.sections().items():
        title = section if owner == CORE else f"Plugin {owner}, {section}"
        group = commands if title == commands.title else parser.add_argument_group(title)
        for setting in settings:
            if setting.flags:
                _add(group, setting, for_help)
    return parser


def _add(group: Any, setting: Setting, for_help: bool) -> None:
    group.add_argument(
        *setting.flags,
        action=_Give,
        setting=setting,
        dest=setting.name,
        default=argparse.SUPPRESS,
        nargs=None if setting.action in ("store", "append") else 0,
        metavar=value_name(setting) or None,
        help=_help(setting) if for_help else None,
    )


def _help(setting: Setting) -> str:
    notes = []
    if setting.action in ("store", "append"):
        shown = setting.default_text or _shown(setting.shown(setting.default))
        notes.append(f"default: {shown}" if shown else "")
    notes.append(f"environment: {setting.env}" if setting.env else "")
    note = "; ".join(note for note in notes if note)
    text = f"{setting.summary} [{note}]" if note else setting.summary
    return text.replace("%", "%%")


def _shown(default: object) -> str:
    if default is None:
        return ""
    if isinstance(default, float):
        return f"{default:g}"
    return ", ".join(default) if isinstance(default, list) else str(default)


def _arguments(
    registry: Registry, tokens: Sequence[str], review: Review, variable: str
) -> Iterator[str]:
    """Yield the tokens that are neither unknown flags nor their values."""
    value_follows = False
    for token, following in zip(tokens, [*tokens[1:], ""], strict=False):
        if token.startswith("-") and token != "-":
            flag, equals, value = token.partition("=")
            findings = _unknown(registry, flag, value if equals else following, review, variable)
            review.add(*findings)
            value_follows = not equals and any(each.takes_argument for each in findings)
        elif not value_follows:
            yield token
        else:
            value_follows = False


def _unknown(
    registry: Registry, flag: str, value: str, review: Review, variable: str
) -> list[Finding]:
    hint = did_you_mean(flag, registry.flags())
    otherwise = Finding("error", f"there is no flag {flag}{hint}", origin=variable, name=flag)
    return review.explain(flag, value, variable) or [otherwise]


def _split(argv: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Split the arguments at the ``--`` that ends the flags."""
    if "--" not in argv:
        return argv, ()
    end = argv.index("--")
    return argv[:end], argv[end + 1 :]


def _values_of(flags: Sequence[str], argv: Sequence[str]) -> Iterator[str]:
    """Yield the values of a long flag, in both spellings: ``--flag value`` and ``--flag=value``."""
    for index, token in enumerate(argv):
        flag, equals, value = token.partition("=")
        if flag in flags and equals:
            yield value
        elif flag in flags and index + 1 < len(argv):
            yield argv[index + 1]
