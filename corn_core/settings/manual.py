"""The manual page of the command, made from the declarations of settings, for ``man``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

from corn_core import __version__, errors
from corn_core.hookspecs import CORE
from corn_core.setting import Setting
from corn_core.settings.commandline import value_name
from corn_core.settings.environment import CMD_ARGS, FOREIGN_CMD_ARGS
from corn_core.settings.registry import COMMANDS, Registry

_SPECIAL = str.maketrans({"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga"})

_EXAMPLES = {
    "corn app:app --reload": "Serve app.py on 127.0.0.1:8000, and restart when its code changes.",
    "corn app:app -b :8080 -w 4 --access-logfile -": "Serve all interfaces with four processes.",
    "corn --check-config -c deploy.py": "Load everything that a config file names, and report.",
}

_SIGNALS = {
    "TERM": "Stop; workers finish the requests they have begun, for graceful_timeout at most.",
    "INT, QUIT": "Stop at once; requests in flight are lost.",
    "HUP": "Reload: new workers with the new configuration and code, then the old ones end.",
    "USR1": "Reopen the log files.",
    "USR2": "Replace the master by one of a new version, on the same sockets.",
    "TTIN, TTOU": "Add a worker, or remove one, but never the last.",
    "WINCH": "Retire all workers until HUP brings them back; ignored in a terminal.",
}


def exit_statuses() -> dict[int, str]:
    """Return the meaning of each exit status except 0, by the exception that causes it."""
    found: dict[int, str] = {}
    pending: list[type[errors.CornError]] = [errors.CornError]
    while pending:
        kind = pending.pop(0)
        first = (inspect.getdoc(kind) or "").partition("\n\n")[0]
        found.setdefault(kind.exit_status, " ".join(first.split()))
        pending += kind.__subclasses__()
    return dict(sorted(found.items()))


def manual(registry: Registry) -> str:
    """Format the manual page, in the language of ``man``."""
    return "\n".join(_lines(registry)) + "\n"


def _lines(registry: Registry) -> Iterator[str]:
    yield f'.TH CORN 1 "" "corn {__version__}" "User Commands"'
    yield ".SH NAME"
    yield r"corn \- serve Python web applications"
    yield ".SH SYNOPSIS"
    yield ".B corn"
    yield r"[\fIOPTIONS\fR] [\fIMODULE\fR:\fIAPP\fR]"
    yield ".SH DESCRIPTION"
    yield _text(
        "corn serves the WSGI or ASGI application APP of the Python module MODULE over HTTP. A"
        " master process opens the listening sockets, forks workers, which answer the requests, and"
        " replaces those that die, hang or have to run new code. Workers, loggers and more settings"
        " come from plugins; this page describes those that are installed."
    )
    yield ".SH EXAMPLES"
    yield from _entries(_EXAMPLES)
    yield ".SH COMMANDS"
    yield from _entries({_flags(each.flags, each.metavar): each.help for each in COMMANDS.values()})
    yield ".SH OPTIONS"
    for (owner, section), settings in registry.sections().items():
        yield f'.SS "{section}"' if owner == CORE else f'.SS "Plugin {owner}: {section}"'
        for setting in settings:
            yield from _setting(setting)
    yield ".SH SIGNALS"
    yield from _entries(_SIGNALS)
    yield ".SH ENVIRONMENT"
    yield from _entries(_variables(registry))
    yield ".SH EXIT STATUS"
    yield from _entries({"0": "The command did what it was told, or the server was stopped."})
    yield from _entries({str(status): text for status, text in exit_statuses().items()})
    yield ".SH FILES"
    yield from _entries({"corn.conf.py": "The config file, if it is in the current directory."})


def _variables(registry: Registry) -> dict[str, str]:
    found = {
        CMD_ARGS: "More arguments, as a shell would divide them.",
        FOREIGN_CMD_ARGS: f"The same, read when {CMD_ARGS} is not set.",
        "NO_COLOR": "Turns colours off at a terminal.",
        "FORCE_COLOR": "Treats standard error as a terminal.",
    }
    for setting in registry:
        if setting.env:
            found[setting.env] = f"Takes the place of the default of {setting.name}."
    return found


def _setting(setting: Setting) -> Iterator[str]:
    names = _flags(setting.flags, value_name(setting)) if setting.flags else setting.name
    default = setting.default_text or repr(setting.shown(setting.default))
    where = f"In a config file: {setting.name}." if "file" in setting.places else ""
    text = " ".join(setting.help.split())
    yield from _entries({names: f"{text} {where} Default: {default}."})


def _flags(flags: tuple[str, ...], metavar: str) -> str:
    return ", ".join(f"{flag} {metavar}".rstrip() for flag in flags)


def _entries(entries: dict[str, str]) -> Iterator[str]:
    for heading, text in entries.items():
        yield from (".TP", rf"\fB{_escaped(heading)}\fR", _text(text))


def _text(text: str) -> str:
    """Escape a paragraph; a line must not begin with what would make it a request."""
    return re.sub(r"^(?=\.)", r"\\&", _escaped(text.replace("``", "")))


def _escaped(text: str) -> str:
    return text.translate(_SPECIAL)
