"""Names of the public modules that are imported late, and names that these modules give up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import NamedTuple
from warnings import warn

from corn_core.errors import did_you_mean


class Deprecated(NamedTuple):
    """A public name that a later version will not have any more.

    :param place: where its object is, as ``module:name``.
    :param since: the version that began to warn.
    :param advice: what to do instead, such as ``use corn_core.worker.Channel``.
    """

    place: str
    since: str
    advice: str


def on_demand(
    module: str, late: Mapping[str, str], deprecated: Mapping[str, Deprecated]
) -> Callable[[str], object]:
    """Make the ``__getattr__`` of a public module.

    The function it returns is called for names that the module does not have. It imports them at
    that time, and warns with a ``DeprecationWarning`` at the line that uses a deprecated one.

    :param late: where names are, as ``module:name``, whose import costs more than most programs
        that use the public module should pay.
    """

    def find(name: str) -> object:
        if name in deprecated:
            place, since, advice = deprecated[name]
            warn(
                f"{module}.{name} is deprecated since corn {since}: {advice}",
                DeprecationWarning,
                stacklevel=2,
            )
        elif name in late:
            place = late[name]
        else:
            hint = did_you_mean(name, [*late, *deprecated])
            raise AttributeError(f"module {module!r} has no attribute {name!r}{hint}")
        source, _, attribute = place.partition(":")
        return getattr(import_module(source), attribute)

    return find
