"""The finished configuration: immutable, with the origin of each value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from corn_core.errors import ConfigError, SettingError, did_you_mean, one_line
from corn_core.setting import Expected, Parser, Setting

Kind = Literal[
    "default", "environment", "framework", "file", "cmd_args", "flag", "argument", "code"
]


class Origin(NamedTuple):
    """The source of a value.

    :param kind: the kind of source; ``argument`` is a positional argument, ``code`` is a
        program that embeds corn.
    :param detail: the variable, the file and line, or the flag; empty for a default.
    """

    kind: Kind
    detail: str = ""

    def __str__(self) -> str:
        if self.kind == "environment":
            return f"environment variable {self.detail}"
        if self.kind == "flag":
            return f"flag {self.detail}"
        return self.detail or self.kind


DEFAULT = Origin("default")
CODE = Origin("code", "set in code")


def parsed(setting: Setting, raw: object, origin: Origin, parse: Parser | None = None) -> Any:
    """Parse a raw value for a setting.

    :param parse: used instead of the setting's own parser.
    :raises SettingError: when the setting cannot take the value.
    :raises ConfigError: when the setting's own parser is broken.
    """
    try:
        return (parse or setting.parse)(raw)
    except Expected as expected:
        raise SettingError(setting.name, str(expected), setting.shown(raw), str(origin)) from None
    except Exception as error:  # broad: a plugin's parser may raise anything
        # The text of an error quotes what it is about, as int() does.
        reason = type(error).__name__ if setting.secret else one_line(error)
        raise ConfigError(
            f"{setting.name}: cannot be read from {setting.shown(raw)!r}: {reason} ({origin})"
        ) from (None if setting.secret else error)


class Config:
    """The values of all settings, as attributes.

    :param settings: the settings by name.
    :param values: a parsed value for each of them.
    :param origins: where the values came from.
    """

    settings: Mapping[str, Setting]

    def __init__(
        self,
        settings: Mapping[str, Setting],
        values: Mapping[str, Any],
        origins: Mapping[str, Origin],
    ) -> None:
        # Stored in the instance itself, so that reading a value is a plain attribute access.
        vars(self).update(values)
        vars(self).update(settings=settings, _origins=origins)

    def __getattr__(self, name: str) -> Any:
        # Called only for attributes that do not exist.
        settings = vars(self).get("settings", {})
        raise AttributeError(f"there is no setting {name!r}{did_you_mean(name, settings)}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"the configuration is immutable: {name} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"the configuration is immutable: {name} cannot be deleted")

    def __contains__(self, name: object) -> bool:
        return name in self.settings

    def __repr__(self) -> str:
        return f"<Config of {len(self.settings)} settings>"

    def origin(self, name: str) -> Origin:
        """Return where the value of a setting came from.

        :raises KeyError: when there is no such setting.
        """
        origin: Origin = vars(self)["_origins"][name]
        return origin

    def given(self, name: str) -> Origin | None:
        """Return where a setting was set; None if it has its default, or does not exist."""
        origin: Origin | None = vars(self)["_origins"].get(name)
        return None if origin is None or origin.kind == "default" else origin

    def names(self) -> list[str]:
        """Return the names of the settings, in order of declaration."""
        return list(self.settings)

    def as_dict(self) -> dict[str, Any]:
        """Return the values by name."""
        return {name: vars(self)[name] for name in self.settings}

    def replace(self, **raw: object) -> Config:
        """Return a copy with some values set in code, parsed like any others.

        :raises ConfigError: when there is no such setting, or it cannot take the value.
        """
        values, origins = self.as_dict(), dict(vars(self)["_origins"])
        for name, given in raw.items():
            if name not in self.settings:
                raise ConfigError(
                    f"there is no setting {name!r}{did_you_mean(name, self.settings)}"
                )
            values[name] = parsed(self.settings[name], given, CODE)
            origins[name] = CODE
        return Config(self.settings, values, origins)
