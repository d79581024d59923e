"""Finds the files that an application depends on, and tells which of them have changed."""

from __future__ import annotations

import glob
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Set
from importlib.util import cache_from_source
from time import monotonic, time
from traceback import walk_tb

from corn_core.config import Config
from corn_core.errors import ConfigError

_PACKAGES = {"site-packages", "dist-packages"}
_LIBRARIES = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
_STANDARD = tuple(f"{each}/" for each in (*_LIBRARIES, *map(os.path.realpath, _LIBRARIES)))


def is_library(path: str) -> bool:
    """Tell whether a file belongs to an installed distribution or to Python itself."""
    return path.startswith(_STANDARD) or not _PACKAGES.isdisjoint(path.split(os.sep))


class ImportClock:
    """First in ``sys.meta_path``: finds nothing, but records when each module was looked up.

    A module's file is read after that moment. So a file saved later than that may have been read
    in its old state; a file that the application writes and then imports was not. On Linux a time
    stamp can be some milliseconds older than the moment it stands for. To allow for that would take
    the second for the first, and reload without end.
    """

    def __init__(self) -> None:
        self.asked: dict[str, float] = {}

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        self.asked[name] = time()


def module_files(inherited: Set[str] = frozenset()) -> dict[str, str]:
    """Map the imported modules that do not belong to a library to their files.

    :param inherited: names of modules to leave out.
    """
    found = {}
    # A copy, because other threads may be importing.
    for name, module in sys.modules.copy().items():
        try:
            # Bypass every __getattr__: looking at a lazy module must not import it, and sys.modules
            # may contain anything.
            path = object.__getattribute__(module, "__dict__").get("__file__")
        except AttributeError:
            continue
        if name not in inherited and isinstance(path, str):
            path = os.path.abspath(path)
            if not is_library(path):
                found[name] = path
    return found


def forget_bytecode(path: str) -> None:
    """Remove the bytecode compiled from a source.

    Python considers it current if the source has the same size and was saved in the same second
    (PEP 552), which two quick saves of a small correction may well satisfy.
    """
    if not path.endswith(".py"):
        return
    try:
        os.unlink(cache_from_source(path))
    except (OSError, NotImplementedError):
        return  # it has no bytecode


def files_of(error: BaseException) -> set[str]:
    """List the files that, once saved, may fix an error; some of them may not exist yet."""
    found: set[str] = set()
    seen: set[int] = set()
    chain: list[BaseException | None] = [error]
    while chain:
        each = chain.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        found.update(frame.f_code.co_filename for frame, _ in walk_tb(each.__traceback__))
        if isinstance(each, SyntaxError):
            found.add(each.filename or "")
        if isinstance(each, ImportError):
            found.add(each.path or "")
            found.update(_candidates(each))
        # A group contains more exceptions.
        chain += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]
    # Code that did not come from a file has a name such as <string>.
    return {path for path in found if os.path.isabs(path) and not is_library(path)}


def _candidates(error: ImportError) -> Iterator[str]:
    """Yield the paths where the missing module could be."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return
    parent, _, name = error.name.rpartition(".")
    # A package whose import failed leaves nothing behind, so its directory has to be guessed.
    guesses = [os.path.join(each, *parent.split(".")) for each in sys.path]
    for directory in getattr(sys.modules.get(parent), "__path__", guesses):
        directory = os.path.abspath(directory)
        yield os.path.join(directory, f"{name}.py")
        yield os.path.join(directory, name, "__init__.py")


def expand(patterns: Iterable[str]) -> set[str]:
    """List the files that match the patterns now; a plain name stands for itself."""
    found: set[str] = set()
    for pattern in patterns:
        if glob.has_magic(pattern):
            matches = glob.glob(pattern, recursive=True)
            found.update(path for path in matches if os.path.isfile(path))
        else:
            found.add(pattern)
    return found


def check_extra_files(config: Config) -> None:
    """Refuse an extra file that does not exist; a pattern need not match any file yet.

    :raises ConfigError: names the file.
    """
    for path in config.reload_extra_files:
        if glob.has_magic(path) or os.path.isfile(path):
            continue
        if os.path.isdir(path):
            what = f"{path!r} is a directory; write {path.rstrip('/') + '/**'!r} for its files"
        else:
            where = "" if os.path.isabs(path) else f" in {os.getcwd()}"
            what = f"there is no file {path!r}{where}"
        raise ConfigError(f"reload_extra_files: {what} ({config.origin('reload_extra_files')})")


# -- what has changed -----------------------------------------------------------------

ABSENCE = 0.5
"""Seconds after which a missing file counts as removed. Many editors save by moving the old file
away and then writing the new one."""

Look = tuple[int, int] | None
"""Modification time in nanoseconds, and size; None if there is no such file."""


def look(path: str) -> Look:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


class Snapshot:
    """Compares files with their previous state."""

    def __init__(self) -> None:
        self._looks: dict[str, Look] = {}
        self._gone: dict[str, float] = {}

    @property
    def paths(self) -> set[str]:
        return set(self._looks)

    def add(self, path: str, since: float | None = None) -> None:
        """Watch a file, unless it is watched already.

        :param since: seconds since the epoch; a file that was saved later has changed.
        """
        if path not in self._looks:
            now = look(path)
            # A file dated in the future would count as just saved, again and again.
            saved = now is not None and since is not None and since <= now[0] / 1e9 <= time()
            self._looks[path] = None if saved else now

    def add_created(self, path: str) -> None:
        """Watch a file that was not there before, and so has changed, unless it is watched."""
        self._looks.setdefault(path, None)

    def changed(self) -> list[str]:
        """Return the files that were saved, created or removed since the last call."""
        return [path for path in self.paths if self._has_changed(path)]

    def _has_changed(self, path: str) -> bool:
        before, now = self._looks[path], look(path)
        vanished = now is None and before is not None
        if vanished and monotonic() - self._gone.setdefault(path, monotonic()) < ABSENCE:
            return False
        self._gone.pop(path, None)
        self._looks[path] = now
        return now != before
