"""Stands for ``gunicorn.errors``."""

from corn_core.plugin import AppLoadError as AppImportError
from corn_core.plugin import ConfigError
from corn_gunicorn.absent import absent

__getattr__ = absent(
    __name__, {"HaltServer": "raise SystemExit, or corn_core.errors.ConfigError with a text"}
)

__all__ = ["AppImportError", "ConfigError"]
