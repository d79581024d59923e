"""corn-static: serves directories of static files beside the application."""

__version__ = "0.1.0"
