"""The server's settings in an ini file: the section ``[server:main]``, and logging."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from corn_core.plugin import ConfigError, Framework, IniFile, Origin, SettingError
from corn_paste.ini import MAIN, Ini, Section
from corn_paste.loader import PasteLoader

if TYPE_CHECKING:
    from corn_core.plugin import Setting
    from corn_core.typing import Config

# Gunicorn's too, because an ini file written for it has the same settings.
_OURS = re.compile(
    r"egg:(corn[-_.]paste|gunicorn)(#main)?|(call:)?corn_paste\.runner:main", re.IGNORECASE
)

_NOT_HERE = ("paste", "raw_paste_global_conf", "wsgi_app")
_ADDRESS = ("host", "port")
_LOOPBACK = "127.0.0.1"


def framework_of(config: Config, directory: str) -> Framework:
    """Return the settings and the application in the ini file that ``paste`` names.

    :param directory: the directory to which ``chdir`` is relative.
    :raises ConfigError: when the file cannot be used.
    """
    shown, _, name = config.paste.partition("#")
    path = os.path.abspath(os.path.join(directory, config.chdir or "", shown))
    variables = dict(pair.split("=", 1) for pair in config.raw_paste_global_conf)
    try:
        ini = Ini(path, shown, variables)
    except ConfigError as error:
        raise ConfigError(f"paste: {error} ({config.origin('paste')})") from None
    ini.require_app(name or MAIN, config.origin("paste"))
    framework = server_settings(ini, ini.server(), config.settings)
    if config.app_loader in ("auto", "paste"):
        framework = framework._replace(loader=PasteLoader(ini, name or None))
    return framework


def server_settings(
    ini: Ini, section: Section | None, settings: Mapping[str, Setting]
) -> Framework:
    """Return the settings that a file has for the server.

    :param settings: all known settings.
    :raises ConfigError: when it has some that are unknown or not allowed in such a file.
    """
    values: dict[str, object] = {}
    places: dict[str, str] = {}
    warnings: list[str] = []
    if section is not None:
        given = dict(section.values)
        if is_foreign(section):
            given = {name: given[name] for name in _ADDRESS if name in given}
            warnings.append(
                f"section [server:main] of {ini.shown} is for {section.use}, not for"
                " egg:corn-paste#main; only its host and port are used"
            )
        values, places = settings_in(given, section.places, settings)
    if "loggers" in ini and "logconfig" not in values:
        values["logconfig"] = IniFile(ini.path, ini.variables)
        places["logconfig"] = f"{ini.shown} section [loggers]"
    return Framework(
        values,
        origin=lambda name: Origin("framework", places[name]),
        directory=os.path.dirname(ini.path),
        warnings=tuple(warnings),
    )


def is_foreign(section: Section) -> bool:
    """Tell whether a section is meant for another server."""
    return section.use is not None and not _OURS.fullmatch(section.use.strip())


def settings_in(
    given: Mapping[str, str], places: Mapping[str, str], settings: Mapping[str, Setting]
) -> tuple[dict[str, object], dict[str, str]]:
    """Return the raw values for the settings' own parsers, and where each came from.

    Each line of a list is an item. ``host`` and ``port`` become ``bind``.

    :raises ConfigError: for names that are not allowed in such a file.
    """
    values: dict[str, object] = {}
    places = dict(places)
    for name, text in given.items():
        if name in _NOT_HERE:
            raise ConfigError(
                f"{name} cannot be set in an ini file, where the application is a section"
                f" ({places[name]})"
            )
        setting = settings.get(name)
        several = setting is not None and setting.action == "append" and "\n" in text
        if name not in _ADDRESS:
            values[name] = text.splitlines() if several else text
    bind = _bind(given, places)
    if bind:
        values["bind"] = bind
        places["bind"] = next(places[name] for name in _ADDRESS if given.get(name, "").strip())
    return values, places


def _bind(given: Mapping[str, str], places: Mapping[str, str]) -> list[str]:
    """Combine ``host``, which may be several separated by commas, and ``port`` into addresses."""
    host, port = (given.get(name, "").strip() for name in _ADDRESS)
    if not host and not port:
        return []
    if "bind" in given:
        raise ConfigError(f"bind: give either bind, or host and port ({places['bind']})")
    if port and not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise SettingError("port", "a whole number from 0 to 65535", port, places["port"])
    hosts = [part.strip() for part in host.split(",") if part.strip()]
    return [_address(each, port) for each in hosts or [_LOOPBACK]]


def _address(host: str, port: str) -> str:
    if host.startswith(("unix:", "fd:")):
        return host
    if host.count(":") > 1 and not host.startswith("["):
        host = f"[{host}]"
    has_port = ":" in host.rpartition("]")[2]
    return host if has_port or not port else f"{host}:{port}"
