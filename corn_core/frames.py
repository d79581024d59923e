"""Formats tracebacks of foreign code without the surrounding frames of corn and of importing."""

from __future__ import annotations

import os
from collections.abc import Collection
from importlib import import_module
from traceback import FrameSummary, TracebackException, walk_tb
from typing import TypeVar

import stevedore

from corn_core.errors import CornError

# importlib's inner modules are frozen into the interpreter; those by which stevedore loads
# a driver are files.
_FOREIGN = (
    os.path.dirname(__file__) + os.sep,
    "<frozen importlib",
    os.path.dirname(import_module.__code__.co_filename) + os.sep,
    os.path.dirname(stevedore.__file__) + os.sep,
)

Place = tuple[str, int | None]
"""A file and a line of it."""

_Failure = TypeVar("_Failure", bound=CornError)


def explained(failure: _Failure, error: BaseException, hidden: Collection[Place] = ()) -> _Failure:
    """Add the traceback of an error in foreign code, if it says more than the text does.

    The text names the error and one place, so a traceback of only that place is left out.

    :param hidden: places whose source must not be shown.
    """
    if _frames(error) > 1 or error.__cause__ is not None:
        failure.details = application_traceback(error, hidden=hidden)
    return failure


def in_application(error: BaseException, foreign: tuple[str, ...] = ()) -> bool:
    """Tell whether the exception passed through any code of the application.

    :param foreign: path prefixes of further files that do not belong to the application.
    """
    return _frames(error, foreign) > 0


def application_traceback(
    error: BaseException, foreign: tuple[str, ...] = (), hidden: Collection[Place] = ()
) -> str:
    """Format the traceback as Python does, with only the application's frames.

    :param foreign: see :func:`in_application`.
    :param hidden: see :func:`explained`.
    """
    whole = TracebackException.from_exception(error, compact=True)
    _prune(whole, (*_FOREIGN, *foreign), hidden)
    return "".join(whole.format())


def _frames(error: BaseException, foreign: tuple[str, ...] = ()) -> int:
    """Count the frames that are neither ours nor ``foreign``."""
    files = (frame.f_code.co_filename for frame, _ in walk_tb(error.__traceback__))
    return sum(not file.startswith((*_FOREIGN, *foreign)) for file in files)


def _prune(
    one: TracebackException | None, foreign: tuple[str, ...], hidden: Collection[Place]
) -> None:
    """Remove foreign frames, also from causes, contexts and the members of a group."""
    if one is None:
        return
    one.stack[:] = [
        FrameSummary(frame.filename, frame.lineno, frame.name, line="")
        if (frame.filename, frame.lineno) in hidden
        else frame
        for frame in one.stack
        if not frame.filename.startswith(foreign)
    ]
    for other in (one.__cause__, one.__context__, *(one.exceptions or ())):
        _prune(other, foreign, hidden)
