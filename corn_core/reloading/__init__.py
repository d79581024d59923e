"""Reload on code change, for development; nothing but the settings is imported without it."""
