"""Reload on code change, for development; when it is off, only its settings are imported."""
