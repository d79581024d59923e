"""The names by which ``manage.py``, a project and the server know each other."""

from __future__ import annotations

SETTINGS_VARIABLE = "DJANGO_SETTINGS_MODULE"

PATH_VARIABLE = "CORN_DJANGO_PATH"
"""Set by ``manage.py corn`` for the server that replaces it: the value of ``sys.path``."""

MANAGE = "manage.py"
