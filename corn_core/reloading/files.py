"""Which files take part in an application, and in its failure to be imported."""

from __future__ import annotations

import glob
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from importlib.util import cache_from_source
from time import time
from types import ModuleType, TracebackType

from corn_core.errors import ConfigError
from corn_core.settings.config import Config

_PACKAGES = {"site-packages", "dist-packages"}


def _standard_library() -> tuple[str, ...]:
    directories = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    return tuple(os.path.join(os.path.realpath(each), "") for each in directories) + tuple(
        os.path.join(each, "") for each in directories
    )


_STANDARD = _standard_library()


def is_library(path: str) -> bool:
    """Whether a file belongs to an installed distribution or to Python itself."""
    return path.startswith(_STANDARD) or not _PACKAGES.isdisjoint(path.split(os.sep))


class ImportClock:
    """The first of the finders in ``sys.meta_path``: finds nothing, and notes when it was asked.

    A module's file is read after that moment. So one that has been saved since then may have
    been read before, and one that the application itself writes and then imports has not.
    """

    def __init__(self) -> None:
        self.asked: dict[str, float] = {}

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        self.asked[name] = time()


def module_files(modules: dict[str, ModuleType]) -> Iterator[tuple[str, str]]:
    """The names and the files of those modules that are no library's."""
    for name, module in modules.items():
        try:
            # Past every __getattr__: a module that is to be imported when it is first used must
            # not be imported because somebody looks, and anything may be in sys.modules.
            path = object.__getattribute__(module, "__dict__").get("__file__")
        except AttributeError:
            continue
        if isinstance(path, str):
            path = os.path.abspath(path)
            if not is_library(path):
                yield name, path


def forget_bytecode(path: str) -> None:
    """Remove what was compiled of a source.

    Python takes it for current when the source has the same size and was saved in the same
    second (PEP 552), and two quick saves of a small correction may well be like that.
    """
    if not path.endswith(".py"):
        return
    try:
        os.unlink(cache_from_source(path))
    except (OSError, NotImplementedError):
        return  # there is none


def files_of(error: BaseException) -> set[str]:
    """The files to save that may put an error right, some of which may not exist yet."""
    found: set[str] = set()
    seen: set[int] = set()
    chain: list[BaseException | None] = [error]
    while chain:
        each = chain.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        found.update(_frames(each.__traceback__))
        if isinstance(each, SyntaxError):
            found.add(each.filename or "")
        if isinstance(each, ImportError):
            found.add(each.path or "")
            found.update(_candidates(each))
        # A group of exceptions has some more.
        chain += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]
    # Code that is of no file has a name such as <string>.
    return {path for path in found if os.path.isabs(path) and not is_library(path)}


def _frames(traceback: TracebackType | None) -> Iterator[str]:
    while traceback is not None:
        yield traceback.tb_frame.f_code.co_filename
        traceback = traceback.tb_next


def _candidates(error: ImportError) -> Iterator[str]:
    """Where the module that is missing would be."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return
    parent, _, name = error.name.rpartition(".")
    # Of a package whose import fails nothing is left, so its directory has to be guessed.
    guesses = [os.path.join(each, *parent.split(".")) for each in sys.path]
    for directory in getattr(sys.modules.get(parent), "__path__", guesses):
        directory = os.path.abspath(directory)
        yield os.path.join(directory, f"{name}.py")
        yield os.path.join(directory, name, "__init__.py")


def expand(patterns: Iterable[str]) -> set[str]:
    """The files that the patterns match now; a name without a pattern in it stands for itself."""
    found: set[str] = set()
    for pattern in patterns:
        if glob.has_magic(pattern):
            matches = glob.glob(pattern, recursive=True)
            found.update(path for path in matches if os.path.isfile(path))
        else:
            found.add(pattern)
    return found


def check_extra_files(config: Config) -> None:
    """Refuse an extra file that is not there; a pattern may wait for its files.

    :raises ConfigError: names the file.
    """
    for path in config.reload_extra_files:
        if glob.has_magic(path) or os.path.isfile(path):
            continue
        what = f"{path!r} is a directory; write {path.rstrip('/') + '/**'!r} for its files"
        if not os.path.isdir(path):
            what = f"there is no file {path!r} in {os.getcwd()}"
            if os.path.isabs(path):
                what = f"there is no file {path!r}"
        raise ConfigError(f"reload_extra_files: {what} ({config.origin('reload_extra_files')})")
