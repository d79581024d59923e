"""The table that ``corn --plugins`` prints."""

from __future__ import annotations

from corn_core.extensions.manager import Plugins


def listing(plugins: Plugins) -> str:
    """What is installed in corn's groups: where it is from, what it does, why it failed."""
    raise NotImplementedError
