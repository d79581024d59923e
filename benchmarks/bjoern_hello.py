"""bjoern has no command of its own: `python bjoern_hello.py PORT`."""

from __future__ import annotations

import sys

import bjoern
from hello import app

bjoern.run(app, "127.0.0.1", int(sys.argv[1]))
