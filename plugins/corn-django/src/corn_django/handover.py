"""Turns ``manage.py corn`` into a server that replaces its process."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

from corn_core.assemble import registry_of
from corn_core.extensions.manager import DISABLE_PLUGINS, Plugins, load_plugins
from corn_core.findings import Review
from corn_core.plugin import ConfigError
from corn_core.settings.commandline import early_command, early_value, help_text, parse
from corn_core.settings.registry import Registry
from corn_django.names import PATH_VARIABLE

DESCRIPTION = (
    "Serve this Django project at ADDRPORT: a port on 127.0.0.1, ADDRESS:PORT, or another"
    " address that --bind accepts."
)

_ADDRESS = re.compile(r"(.*:)?\d+|(unix|fd):.+")


def usage(program: str, command: str) -> str:
    """Format the help of ``manage.py corn``: the server's options, in the server's format.

    :param program: the first item of ``sys.argv``.
    """
    name = os.path.basename(program)
    prefix = "python " if name.endswith(".py") else ""
    _, registry = _declared([])
    return help_text(registry, f"{prefix}{name} {command} [OPTIONS] [ADDRPORT]", DESCRIPTION)


def server_arguments(argv: Sequence[str]) -> list[str]:
    """Translate the arguments for ``corn``: options stay, and the address becomes one of them.

    :raises ConfigError: for an option that does not exist or lacks its value, and for an
        argument that is not an address.
    """
    if early_command(argv):
        return [*argv]
    plugins, registry = _declared(argv)
    options, others = parse(registry, argv, Review(plugins.explain))
    if not others:
        return [*argv]
    if len(others) > 1:
        raise ConfigError(f"argument {others[1]!r}: the address is {others[0]!r}")
    (address,) = others

    def reads_the_same(rest: list[str]) -> bool:
        try:
            return parse(registry, rest, Review(plugins.explain)) == (options, [])
        except ConfigError:
            return False  # the text that was left out is the value of an option

    places = (index for index, token in enumerate(argv) if token == address)
    remainders = ([*argv[:index], *argv[index + 1 :]] for index in places)
    return [f"--bind={_bindable(address)}", *next(filter(reads_the_same, remainders))]


def take_over(arguments: Sequence[str]) -> NoReturn:
    """Become a server: replace this process's program by a Python that has imported nothing."""
    flags = [f"-W{each}" for each in sys.warnoptions]
    flags += [f"-X{name}" if on is True else f"-X{name}={on}" for name, on in sys._xoptions.items()]
    path = os.pathsep.join(each for each in sys.path if isinstance(each, str))
    environ = {**os.environ, PATH_VARIABLE: path}
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    command = [sys.executable, *flags, "-m", "corn_django", *arguments]
    os.execve(sys.executable, command, environ)


def _declared(argv: Sequence[str]) -> tuple[Plugins, Registry]:
    plugins = load_plugins(early_value(DISABLE_PLUGINS, argv, os.environ))
    return plugins, registry_of(plugins)


def _bindable(address: str) -> str:
    if not _ADDRESS.fullmatch(address):
        raise ConfigError(f"argument {address!r}: expected a port or ADDRESS:PORT")
    return f"127.0.0.1:{address}" if address.isdecimal() else address
