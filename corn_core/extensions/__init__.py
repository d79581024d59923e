"""Plugins: finding, loading and calling them, and turning a name into a driver class."""
