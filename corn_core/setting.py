"""The declaration of a setting, and the parsers that turn a user's input into its value.

A setting is data. The command line, the config file, ``--print-config`` and the reference
documentation are all derived from these declarations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple

Parser = Callable[[object], Any]
"""Takes a raw value (text from a command line, any object from a config file) and
returns the setting's value; raises :class:`Expected` when it cannot."""

Action = Literal["store", "append", "store_true", "store_false"]
Place = Literal["cli", "file"]


class Expected(ValueError):
    """Raised by a parser that refuses a value; its text completes "expected ..."."""


class Hidden:
    """Takes the place of a secret value wherever a value is shown; tells its type only."""

    def __init__(self, value: object) -> None:
        self._kind = type(value).__name__

    def __repr__(self) -> str:
        return f"<hidden {self._kind}>"


class Setting(NamedTuple):
    """One setting of the server or of a plugin.

    :param name: the name in a config file and the attribute of ``Config``.
    :param section: the heading under which help and reference list it.
    :param parse: turns a raw value into the setting's value, see :data:`Parser`.
    :param default: the value when it is not set; already parsed.
    :param help: what it does, and what it costs to change it. ``corn -h all`` has the first
        sentence; the rest appears in the reference.
    :param flags: command-line flags, such as ``("-b", "--bind")``; empty when it cannot be set
        there.
    :param metavar: the placeholder for the flag's argument in the help.
    :param action: how the flag acts. With ``store``, it takes an argument. With ``append``, it may
        be repeated, and its arguments become a list. With ``store_true`` or ``store_false`` it
        takes none: a setting that is on or off has the parser ``boolean`` and one of these, and
        beside a ``store_true`` flag there may be one that begins with ``--no-``.
    :param choices: the accepted texts, for the help and the documentation. They check nothing: the
        parser does, for example the one that ``one_of`` makes.
    :param env: an environment variable that replaces the default.
    :param env_value: turns the variable's text into a raw value for ``parse``.
    :param places: where it may be set: ``cli``, the command line, and ``file``, the config file.
    :param default_text: how documentation shows a default that differs between machines.
    :param since: the version of corn (or of the plugin) that introduced it.
    :param secret: keeps its value out of messages, logs, ``--print-config`` and documentation,
        which show only its type. The text of an :class:`Expected` is shown as it is, so the parser
        of a secret must not quote what it was given.
    """

    name: str
    section: str
    parse: Parser
    default: Any
    help: str
    flags: tuple[str, ...] = ()
    metavar: str | None = None
    action: Action = "store"
    choices: tuple[str, ...] = ()
    env: str | None = None
    env_value: Callable[[str], object] | None = None
    places: tuple[Place, ...] = ("cli", "file")
    default_text: str | None = None
    since: str = "0.1"
    secret: bool = False

    def shown(self, value: object) -> object:
        """Return what to show for a value: the value itself, or a stand-in if it is secret."""
        return Hidden(value) if self.secret and value is not None else value

    @property
    def summary(self) -> str:
        """The first sentence of the help."""
        first, dot, _ = " ".join(self.help.split()).partition(". ")
        return first + "." if dot else first


def boolean(raw: object) -> bool:
    """Accept ``True``, ``False`` or their names in any case, and ``None`` for ``False``.

    ``None`` is what ``os.environ.get`` returns in a config file for a variable that is not set.
    """
    if raw is None or isinstance(raw, bool):
        return bool(raw)
    if isinstance(raw, str) and raw.strip().lower() in ("true", "false"):
        return raw.strip().lower() == "true"
    raise Expected("true or false")


def integer(low: int = 0, high: int | None = None) -> Parser:
    """Make a parser of whole numbers from ``low`` to ``high``; text may be decimal, 0x, 0o, 0b."""
    expected = f"a whole number of at least {low}"
    if high is not None:
        expected = f"a whole number from {low} to {high}"

    def parse(raw: object) -> int:
        if isinstance(raw, str):
            try:
                raw = int(raw.strip(), 0)
            except ValueError:
                raise Expected(expected) from None
        # bool is a subclass of int, but ``workers = True`` is surely a mistake.
        if not isinstance(raw, int) or isinstance(raw, bool):
            raise Expected(expected)
        if raw < low or (high is not None and raw > high):
            raise Expected(expected)
        return raw

    return parse


def seconds(raw: object) -> float:
    """Accept a duration in seconds, 0 or more, with or without a fraction."""
    expected = "a number of seconds, 0 or more"
    if isinstance(raw, str):
        try:
            raw = float(raw.strip())
        except ValueError:
            raise Expected(expected) from None
    if isinstance(raw, bool) or not isinstance(raw, (int, float)) or not 0 <= raw < float("inf"):
        raise Expected(expected)
    return raw


def string(raw: object) -> str:
    """Accept text, and strip the white space around it."""
    if not isinstance(raw, str):
        raise Expected("text")
    return raw.strip()


def optional(parse: Parser) -> Parser:
    """Make a parser that also accepts ``None``, and treats empty text as ``None``."""

    def parse_optional(raw: object) -> Any:
        if raw is None or (isinstance(raw, str) and not raw.strip()):
            return None
        return parse(raw)

    return parse_optional


def one_of(*choices: str) -> Parser:
    """Make a parser that accepts one of the given words, in any case."""

    def parse(raw: object) -> str:
        if isinstance(raw, str) and raw.strip().lower() in choices:
            return raw.strip().lower()
        raise Expected(f"one of {', '.join(choices)}")

    return parse


def strings(raw: object) -> list[str]:
    """Accept a list of texts; a single text is a list of one, not split, and ``None`` is empty."""
    if raw is None:
        return []
    if isinstance(raw, str):
        raw = [raw]
    if not isinstance(raw, Iterable) or isinstance(raw, (bytes, Mapping)):
        raise Expected("text or a list of texts")
    items = list(raw)
    if not all(isinstance(item, str) for item in items):
        raise Expected("text or a list of texts")
    return [item.strip() for item in items if item.strip()]


def comma_separated(raw: object) -> list[str]:
    """Accept a list of texts, or one text that is split at commas."""
    return [part.strip() for item in strings(raw) for part in item.split(",") if part.strip()]


def name_or_object(raw: object) -> Any:
    """Accept a name to look up later, or the object itself (a class, a callable)."""
    if isinstance(raw, str) and raw.strip():
        return raw.strip()
    if callable(raw):
        return raw
    raise Expected("a name, or the class or callable itself")
