"""Stands for ``gunicorn.config``."""

import os

from corn_core.typing import Config
from corn_gunicorn.absent import absent

_SETTING = "a plugin declares settings, see Writing plugins"
_VALIDATOR = "corn_core.setting has parsers"


def get_default_config_file() -> str | None:
    """Return the path of ``gunicorn.conf.py`` in the working directory, if there is one."""
    path = os.path.join(os.getcwd(), "gunicorn.conf.py")
    return path if os.path.exists(path) else None


__getattr__ = absent(
    __name__,
    {
        "KNOWN_SETTINGS": "application.cfg.settings has them by name",
        "Setting": _SETTING,
        "make_settings": _SETTING,
        "validate_bool": _VALIDATOR,
        "validate_callable": _VALIDATOR,
        "validate_dict": _VALIDATOR,
        "validate_list_string": _VALIDATOR,
        "validate_pos_int": _VALIDATOR,
        "validate_string": _VALIDATOR,
    },
)

__all__ = ["Config", "get_default_config_file"]
