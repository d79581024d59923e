"""``python -m corn_core``: the same as ``corn``."""

import sys

from corn_core.cli import main

if __name__ == "__main__":
    sys.exit(main())
