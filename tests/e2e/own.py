"""The applications of these tests that are of no use to others."""

from __future__ import annotations

from pathlib import Path

APPS = Path(__file__).with_name("apps")
