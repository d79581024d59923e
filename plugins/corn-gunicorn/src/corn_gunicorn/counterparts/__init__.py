"""Stands for the package ``gunicorn`` in corn's processes, where that is not installed."""

import sys
from types import ModuleType

from corn_core.wsgi.environ import SERVER_SOFTWARE

version_info = (27, 0, 0)
"""The version of Gunicorn whose names are answered, for programs that compare it."""
__version__ = ".".join(map(str, version_info))
SERVER = "corn"

corn_assigned: dict[str, object] = {}
"""What a config file has set of the two names below, to no effect."""


class _Package(ModuleType):
    def __setattr__(self, name: str, value: object) -> None:
        if name in ("SERVER", "SERVER_SOFTWARE"):
            corn_assigned[name] = value
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package

__all__ = ["SERVER", "SERVER_SOFTWARE", "__version__", "version_info"]
