"""Completion of the command for bash, zsh and fish, made from the declarations of settings."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from corn_core.setting import Setting
from corn_core.settings.commandline import value_name
from corn_core.settings.registry import COMMANDS, Registry

Takes = Literal["nothing", "text", "file", "directory"]


class Option(NamedTuple):
    """One option of the command line.

    :param takes: what its argument is.
    :param values: the arguments to offer, if they are words.
    """

    flags: tuple[str, ...]
    help: str
    takes: Takes
    metavar: str = ""
    values: tuple[str, ...] = ()
    repeatable: bool = False


def options(registry: Registry, names: Mapping[str, Sequence[str]]) -> list[Option]:
    """List the options of the command line.

    :param names: the words that a setting takes beside its choices, by setting.
    """
    found = []
    for command in COMMANDS.values():
        takes: Takes = "text" if command.values else "nothing"
        found.append(Option(command.flags, command.help, takes, command.metavar, command.values))
    for setting in registry:
        if setting.flags:
            found.append(_option(setting, tuple(names.get(setting.name, ()))))
    return found


def _option(setting: Setting, names: tuple[str, ...]) -> Option:
    metavar = value_name(setting)
    takes: Takes = "text" if metavar else "nothing"
    if metavar.startswith("FILE"):
        takes = "file"
    elif metavar.startswith("DIR"):
        takes = "directory"
    values = (*setting.choices, *names)
    repeatable = setting.action == "append"
    return Option(setting.flags, setting.summary, takes, metavar, values, repeatable)


# -- bash ----------------------------------------------------------------------------

_BASH = """\
# Completion of corn for bash. In ~/.bashrc: eval "$(corn --completion bash)"
_corn() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} flag=${{COMP_WORDS[COMP_CWORD-1]}} file IFS=$'\\n'
    # bash takes --flag=value for three words.
    if [[ $word == "=" ]]; then
        word=
    elif [[ $flag == "=" ]]; then
        flag=${{COMP_WORDS[COMP_CWORD-2]}}
    fi
    COMPREPLY=()
    case $flag in
{cases}
    esac
    case $word in
        -*) COMPREPLY=($(compgen -W "{flags}" -- "$word")) ;;
        *)
            compopt -o nospace 2>/dev/null
            for file in "$word"*.py; do
                [[ -f $file && $file != *.conf.py ]] && COMPREPLY+=("${{file%.py}}:")
            done ;;
    esac
}}
complete -F _corn corn
"""


def bash(found: Iterable[Option]) -> str:
    found = list(found)
    cases = (f"        {'|'.join(each.flags)}) {_bash_action(each)}return ;;" for each in found)
    takers = [case for case, each in zip(cases, found, strict=True) if each.takes != "nothing"]
    flags = "\\n".join(flag for each in found for flag in each.flags)
    return _BASH.format(cases="\n".join(takers), flags=flags.replace("\\n", "\n"))


def _bash_action(option: Option) -> str:
    reply = 'COMPREPLY=($(compgen {} -- "$word")); '
    if option.values:
        return reply.format('-W "' + "\n".join(option.values) + '"')
    how = {"file": "-f", "directory": "-d"}.get(option.takes)
    return f"compopt -o filenames 2>/dev/null; {reply.format(how)}" if how else ""


# -- zsh -----------------------------------------------------------------------------

_ZSH = """\
#compdef corn
# Completion of corn for zsh. In ~/.zshrc, after compinit: eval "$(corn --completion zsh)"
_corn_application() {{
    local -a modules
    modules=(*.py(N:r))
    compadd -S : -- ${{modules:#*.conf}}
}}
_corn() {{
    _arguments -S \\
{specifications}
        '*:application:_corn_application'
}}
if [[ $funcstack[1] == _corn ]]; then
    _corn "$@"
else
    compdef _corn corn
fi
"""


def zsh(found: Iterable[Option]) -> str:
    specifications = (
        f"        {shlex.quote(each)} \\" for option in found for each in _zsh(option)
    )
    return _ZSH.format(specifications="\n".join(specifications))


def _zsh(option: Option) -> Iterator[str]:
    text = re.sub(r"([\[\]:\\])", r"\\\1", option.help)
    action = {"file": "_files", "directory": "_files -/"}.get(option.takes, " ")
    if option.values:
        action = f"({' '.join(option.values)})"
    metavar = re.sub(r"([:\\])", r"\\\1", option.metavar)
    argument = "" if option.takes == "nothing" else f":{metavar}:{action}"
    once = "*" if option.repeatable else f"({' '.join(option.flags)})"
    for flag in option.flags:
        equals = "=" if argument and flag.startswith("--") else ""
        yield f"{once}{flag}{equals}[{text}]{argument}"


# -- fish ----------------------------------------------------------------------------

_FISH = """\
# Completion of corn for fish. In config.fish: corn --completion fish | source
function __corn_applications
    set -l files *.py
    string match -v '*.conf.py' -- $files | string replace -r '[.]py$' ':'
end
complete -c corn -f -a '(__corn_applications)'
{lines}
"""


def fish(found: Iterable[Option]) -> str:
    return _FISH.format(lines="\n".join(map(_fish, found)))


def _fish(option: Option) -> str:
    words = ["complete -c corn"]
    for flag in option.flags:
        name = flag.lstrip("-")
        words.append(f"-l {name}" if flag.startswith("--") else f"-s {name}")
    if option.values:
        words.append(f"-x -a '{' '.join(option.values)}'")
    elif option.takes != "nothing":
        rest = {"file": "-r -F", "directory": "-x -a '(__fish_complete_directories)'"}
        words.append(rest.get(option.takes, "-x"))
    text = option.help.replace("\\", r"\\").replace("'", r"\'")
    return f"{' '.join(words)} -d '{text}'"


SHELLS: dict[str, Callable[[Iterable[Option]], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
"""How completion is written, by shell."""
