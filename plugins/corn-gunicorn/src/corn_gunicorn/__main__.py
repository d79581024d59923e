"""``python -m corn_gunicorn PROGRAM [ARGUMENTS]``: run a program that embeds Gunicorn with corn."""

from __future__ import annotations

import os
import runpy
import sys

from corn_gunicorn.finder import install


def main() -> None:
    """Run the program as Python would, with corn's counterparts in the place of Gunicorn."""
    if len(sys.argv) < 2:
        sys.exit("usage: python -m corn_gunicorn PROGRAM [ARGUMENTS]")
    del sys.argv[0]
    install()
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
