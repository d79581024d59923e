"""Secret settings: nothing that the server says about a configuration has their values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from corn_core.app import EmbeddedConfig
from corn_core.errors import ConfigError
from corn_core.extensions.manager import load_plugins
from corn_core.framework import Framework
from corn_core.setting import Setting, integer, string, strings
from corn_core.settings.commandline import help_text
from corn_core.settings.printing import print_config
from corn_core.settings.registry import Registry, check_default
from corn_core.settings.sources import Resolution, resolve
from tests.unit.settings.declared import SETTINGS

SECRET = "hunter2"

SOUNDS_SECRET = re.compile(r"passw|passphrase|secret|token|credential|api_?key")


def broken(raw: object) -> int:
    """Parse without raising Expected, as an author might by mistake; int() quotes its argument."""
    return int(str(raw))


def declared(name: str, parse: object, default: object, **keywords: object) -> Setting:
    """Declare a setting that can be given in every possible way."""
    return Setting(
        name, "Secrets", parse, default, "Not to be shown.",  # type: ignore[arg-type]
        flags=(f"--{name}",), env=name.upper(), secret=True, **keywords,  # type: ignore[arg-type]
    )  # fmt: skip


SAMPLES = (
    declared("accepting", string, ""),
    declared("refusing", integer(), 0),
    declared("broken", broken, 0),
    declared("several", strings, [], action="append"),
)

TALKATIVE = f"type('Talkative', (), {{'__repr__': lambda self: {SECRET!r}}})()"

IN_FILES = (
    *(f"'{SECRET}'", f"'{SECRET}' * 1000", f"b'{SECRET}'", f"['{SECRET}']", f"('{SECRET}',)"),
    *(f"{{'{SECRET}': '{SECRET}'}}", f"[b'', '{SECRET}']", TALKATIVE, f"[{TALKATIVE}]"),
)
"""Values as Python text: some are taken by some settings, and others by none."""


def installed() -> Registry:
    registry = Registry()
    for owner, setting in load_plugins().settings():
        registry.add(setting, owner)
    return registry


INSTALLED = installed()


def real_ones() -> list[Setting]:
    return [setting for setting in INSTALLED if setting.secret]


def said_of(resolution: Resolution) -> str:
    return "\n".join(
        [print_config(resolution.config), repr(resolution.config), *resolution.warnings]
    )


def outcomes(registry: Registry, setting: Setting, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Give the setting in every way there is; where it is from, and what is said of it."""
    name, flag = setting.name, setting.flags[0] if setting.flags else ""

    def attempt(argv: tuple[str, ...] = (), framework: object = None, **environ: str) -> str:
        asked = None if framework is None else lambda _: Framework({name: framework})
        try:
            return said_of(resolve(registry, argv, environ, str(tmp_path), asked))
        except ConfigError as error:
            return str(error)

    if "file" in setting.places:
        for number, source in enumerate(IN_FILES):
            config = tmp_path / f"{number}.py"
            config.write_text(f"{name} = {source}\n")
            yield f"{config.name} line 1", attempt(("-c", config.name))
            yield "framework settings", attempt((), eval(source))
    for text in (SECRET, SECRET * 1000) if flag else ():
        yield f"flag {flag}", attempt((flag, text))
        yield f"flag {flag}", attempt((f"{flag}={text}",))
        yield f"CORN_CMD_ARGS {flag}", attempt(CORN_CMD_ARGS=f"{flag} {text}")
        yield "CORN_CMD_ARGS", attempt(CORN_CMD_ARGS=f"{flag} '{text}")
        yield "", attempt((flag, text, "--no-such-flag"))
        yield flag, attempt((flag, text, flag))
    if setting.env:
        yield f"environment variable {setting.env}", attempt((), None, **{setting.env: SECRET})


@pytest.mark.parametrize("setting", [*real_ones(), *SAMPLES], ids=lambda setting: setting.name)
def test_value_is_in_nothing_that_is_said(setting: Setting, tmp_path: Path) -> None:
    registry = INSTALLED if setting.name in INSTALLED else Registry((*SETTINGS, *SAMPLES))
    ways = list(outcomes(registry, setting, tmp_path))
    assert ways
    for origin, said in ways:
        assert SECRET not in said
        assert origin in said


@pytest.mark.parametrize("setting", SAMPLES, ids=lambda setting: setting.name)
def test_the_search_finds_it_where_it_is_not_declared_secret(
    setting: Setting, tmp_path: Path
) -> None:
    open_one = setting._replace(secret=False)
    registry = Registry((*SETTINGS, open_one))
    ways = list(outcomes(registry, open_one, tmp_path))
    assert any(SECRET in said for _, said in ways)


@pytest.mark.parametrize("setting", [*real_ones(), *SAMPLES], ids=lambda setting: setting.name)
@pytest.mark.parametrize("source", IN_FILES)
def test_value_set_by_a_program(setting: Setting, source: str, tmp_path: Path) -> None:
    registry = INSTALLED if setting.name in INSTALLED else Registry((*SETTINGS, *SAMPLES))
    config = EmbeddedConfig(resolve(registry, (), {}, str(tmp_path)))
    try:
        config.set(setting.name, eval(source))
    except ConfigError as error:
        assert SECRET not in str(error)
        assert "set in code" in str(error)
        # A traceback would show the exceptions that it came from.
        assert error.__suppress_context__
        assert error.__cause__ is None
    else:
        assert SECRET not in print_config(config.config)


def test_default_is_not_shown_either() -> None:
    setting = SAMPLES[0]._replace(default=SECRET)
    assert SECRET not in help_text(Registry((setting,)))
    assert SECRET in help_text(Registry((setting._replace(secret=False),)))


@pytest.mark.parametrize("parse", [integer(), broken, lambda raw: f"{raw}!"])
def test_default_that_is_refused(parse: object) -> None:
    setting = SAMPLES[0]._replace(default=SECRET, parse=parse)  # type: ignore[arg-type]
    with pytest.raises(ConfigError) as caught:
        check_default(setting, "other")
    assert SECRET not in str(caught.value)
    assert "<hidden str>" in str(caught.value)


def test_message_says_what_is_wrong_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "pw.py").write_text(f"keyfile_password = {SECRET.encode()!r}\n")
    with pytest.raises(ConfigError) as caught:
        resolve(INSTALLED, ("-c", "pw.py"), {}, str(tmp_path))
    assert str(caught.value) == (
        "keyfile_password: expected text of 1 to 1024 bytes, got <hidden bytes> (pw.py line 1)"
    )


def test_unset_secret_is_shown_as_such(tmp_path: Path) -> None:
    shown = print_config(resolve(INSTALLED, (), {}, str(tmp_path)).config)
    assert "keyfile_password = None  # default" in shown.splitlines()


def test_what_sounds_secret_is_declared_so() -> None:
    assert real_ones()
    sounding = [each.name for each in INSTALLED if SOUNDS_SECRET.search(each.name)]
    assert sounding == [setting.name for setting in real_ones()]
