"""Applies the settings chdir, pythonpath and raw_env to the process, and undoes it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping

from corn_core.errors import ConfigError
from corn_core.setting import Expected, strings


def parse_raw_env(raw: object) -> list[str]:
    """Parse ``raw_env``: a list of ``NAME=VALUE`` texts."""
    pairs = strings(raw)
    for pair in pairs:
        name, equals, _ = pair.partition("=")
        if not name.strip() or not equals or "\0" in pair:
            raise Expected(f"NAME=VALUE, such as DEBUG=1 (not {pair!r})")
    return pairs


def working_directory(environ: Mapping[str, str] = os.environ) -> str:
    """Return the current directory, by the name the user knows it by.

    A shell's $PWD keeps the symbolic links that were followed, and getcwd(3) does not: with
    releases behind a link called ``current``, the name must not be that of one release, or
    the next one would never be found.
    """
    actual, named = os.getcwd(), environ.get("PWD", "")
    try:
        return named if os.path.isabs(named) and os.path.samefile(actual, named) else actual
    except OSError:
        return actual


class ProcessEnvironment:
    """Applies the settings to this process, over and over as the configuration changes.

    :ivar start_directory: where the process was when this object was made; a relative
        ``chdir`` starts from there, however often it is applied.
    :ivar start_environ: the variables that it had then.
    """

    def __init__(self) -> None:
        self.start_environ = dict(os.environ)
        self.start_directory = working_directory()
        self._before: dict[str, str | None] = {}
        self._search: list[str] = []

    def apply(self, raw_env: Iterable[str]) -> None:
        """Set ``NAME=VALUE`` variables, after undoing those of an earlier call."""
        self.restore()
        for pair in raw_env:
            name, _, value = pair.partition("=")
            self._before.setdefault(name.strip(), os.environ.get(name.strip()))
            os.environ[name.strip()] = value

    def restore(self) -> None:
        """Give the variables the values they had, and remove those that had none."""
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._before.clear()

    def enter(self, chdir: str | None, pythonpath: Iterable[str] = ()) -> None:
        """Change to a directory, and import from ``pythonpath`` and then from there first.

        Relative entries of ``pythonpath`` are taken from that directory.

        :raises ConfigError: when the directory cannot be changed to.
        """
        directory = os.path.join(self.start_directory, chdir or "")
        # join() leaves a slash when there is no chdir; normpath() would resolve 'link/..' wrong.
        directory = directory.rstrip("/") or "/"
        try:
            os.chdir(directory)
        except OSError as error:
            raise ConfigError(f"chdir: cannot change to {directory!r}: {error.strerror}") from None
        for path in self._search:
            if path in sys.path:
                sys.path.remove(path)
        wanted = [os.path.join(directory, path) for path in pythonpath] + [directory]
        # Put in front even if they are somewhere already: the first place is what counts, and
        # remove() above takes the first occurrence, so it takes ours.
        self._search = list(dict.fromkeys(wanted))
        sys.path[:0] = self._search
