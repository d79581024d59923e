"""The fixtures of the end-to-end tests."""

from __future__ import annotations

from tests.e2e.conftest import authority, certificate, context, gate, serve

__all__ = ["authority", "certificate", "context", "gate", "serve"]
