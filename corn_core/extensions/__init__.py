"""Plugins: how they are found, loaded and called, and how a name becomes a driver class."""
