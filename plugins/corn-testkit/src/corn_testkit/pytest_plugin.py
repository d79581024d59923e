"""What pytest loads when the kit is installed (entry point group ``pytest11``)."""

from __future__ import annotations

import pytest

# Of a plugin that is installed in editable mode, pytest rewrites the assertions only on demand.
pytest.register_assert_rewrite(
    *(f"corn_testkit.{name}" for name in ("client", "fixtures", "gate", "server", "tls", "waiting"))
)

from corn_testkit.fixtures import authority, certificate, context, gate, serve  # noqa: E402

__all__ = ["authority", "certificate", "context", "gate", "serve"]
