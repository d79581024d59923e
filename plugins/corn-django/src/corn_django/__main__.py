"""``python -m corn_django``: the server that replaces a ``manage.py corn``.

It is the ``corn`` command in a fresh interpreter. ``manage.py`` has already imported the project,
and in a master that has, a reload would not bring new code.
"""

from __future__ import annotations

import os
import sys

from corn_core.cli import main
from corn_django.names import PATH_VARIABLE


def _main() -> int:
    # As manage.py left it: with its own directory, and anything else it added.
    if PATH_VARIABLE in os.environ:
        sys.path[:] = os.environ[PATH_VARIABLE].split(os.pathsep)
    return main()


if __name__ == "__main__":
    sys.exit(_main())
