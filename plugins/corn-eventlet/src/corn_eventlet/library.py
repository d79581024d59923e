"""Checks that eventlet can be used here, and imports it without its warnings."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Sequence
from types import ModuleType

from corn_core.plugin import ConfigError, one_line

_CLASSIFIER = "Programming Language :: Python :: 3."


def import_eventlet() -> ModuleType:
    """Import eventlet.

    :raises ConfigError: when it cannot be imported.
    """
    with warnings.catch_warnings():
        # Its users know that it is deprecated; a server's log, or a test that turns warnings into
        # errors, is not the place to say so.
        warnings.simplefilter("ignore")
        try:
            import eventlet
            import eventlet.hubs
            import eventlet.patcher
        except Exception as error:
            # Broad: on a Python that is too new for it, the import may raise anything.
            version = ".".join(map(str, sys.version_info[:3]))
            raise ConfigError(
                f"worker_class: eventlet cannot be imported by Python {version}"
                f" ({one_line(error)}); use another worker class, such as gevent"
            ) from error
    module: ModuleType = eventlet
    return module


def check_python(classifiers: Iterable[str], version: Sequence[int], release: str) -> None:
    """Refuse a Python that a release does not list as supported.

    :param classifiers: those of the release; without any of Python 3.x all are accepted.
    :param version: the version of Python, major and minor.
    :raises ConfigError: names the release and what it supports.
    """
    minors = {each.removeprefix(_CLASSIFIER) for each in classifiers if _CLASSIFIER in each}
    supported = sorted(int(minor) for minor in minors if minor.isdecimal())
    if supported and version[1] not in supported:
        raise ConfigError(
            f"worker_class: eventlet {release} supports Python 3.{supported[0]} to"
            f" 3.{supported[-1]}, and this is {version[0]}.{version[1]}; use one of these, or"
            " another worker class, such as gevent"
        )


def check_eventlet() -> None:
    """Make sure that the installed eventlet can be used.

    :raises ConfigError: when it cannot.
    """
    from importlib.metadata import metadata  # lazy: slow, and only this worker needs it

    about = metadata("eventlet")
    check_python(about.get_all("Classifier") or [], sys.version_info[:2], about["Version"])
    import_eventlet()
