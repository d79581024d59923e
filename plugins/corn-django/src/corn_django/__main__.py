"""``python -m corn_django``: the server in the place of a ``manage.py corn``.

It is the ``corn`` command in a process of its own, since ``manage.py`` has imported the project
by then: in a master like that, a reload would bring no new code.
"""

from __future__ import annotations

import os
import sys

from corn_core.cli import main
from corn_django.names import PATH_VARIABLE


def _main() -> int:
    # As manage.py has left it: with its own directory, and whatever it adds.
    if PATH_VARIABLE in os.environ:
        sys.path[:] = os.environ[PATH_VARIABLE].split(os.pathsep)
    return main()


if __name__ == "__main__":
    sys.exit(_main())
