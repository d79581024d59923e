"""Formats an application's tracebacks without the surrounding frames of corn and importlib."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from traceback import TracebackException

# importlib's inner modules are frozen into the interpreter; import_module() is in a file.
_FOREIGN = (
    os.path.dirname(__file__) + os.sep,
    "<frozen importlib",
    import_module.__code__.co_filename,
)


def in_application(error: BaseException, foreign: tuple[str, ...] = ()) -> bool:
    """Tell whether the exception passed through any code of the application.

    :param foreign: path prefixes of further files that do not belong to the application.
    """
    traceback = error.__traceback__
    while traceback is not None:
        if not traceback.tb_frame.f_code.co_filename.startswith((*_FOREIGN, *foreign)):
            return True
        traceback = traceback.tb_next
    return False


def application_traceback(error: BaseException, foreign: tuple[str, ...] = ()) -> str:
    """Format the traceback as Python does, with only the application's frames.

    :param foreign: see :func:`in_application`.
    """
    # lazy: needed only when an application fails
    from traceback import TracebackException

    whole = TracebackException.from_exception(error, compact=True)
    _prune(whole, (*_FOREIGN, *foreign))
    return "".join(whole.format())


def _prune(one: TracebackException | None, foreign: tuple[str, ...]) -> None:
    """Remove foreign frames, also from causes, contexts and the members of a group."""
    if one is None:
        return
    one.stack[:] = [frame for frame in one.stack if not frame.filename.startswith(foreign)]
    for other in (one.__cause__, one.__context__, *(one.exceptions or ())):
        _prune(other, foreign)
