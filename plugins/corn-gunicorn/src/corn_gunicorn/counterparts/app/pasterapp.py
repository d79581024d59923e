"""Stands for ``gunicorn.app.pasterapp``."""

from corn_gunicorn.absent import absent

_PASTE = "pip install corn-paste; an ini file says use = egg:corn-paste#main"

__getattr__ = absent(
    __name__, {"PasterApplication": _PASTE, "paste_server": _PASTE, "run": _PASTE, "serve": _PASTE}
)
