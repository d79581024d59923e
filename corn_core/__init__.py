"""corn: a pre-fork WSGI server for UNIX, assembled from plugins.

This module is what a plugin's light ``plugin.py`` imports, so it imports
nothing heavier than pluggy's markers: the version, the hook marker and the
declaration of a setting.
"""

from pluggy import HookimplMarker

from corn_core.setting import Setting

__all__ = ["Setting", "__version__", "hookimpl"]

__version__ = "0.1.0"

hookimpl = HookimplMarker("corn")
"""Marks a function of a plugin as the implementation of the hook it is named after."""
