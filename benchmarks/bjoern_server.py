"""bjoern has no command of its own: `python bjoern_server.py PORT MODULE:NAME`."""

from __future__ import annotations

import sys
from importlib import import_module

import bjoern

module, _, name = sys.argv[2].partition(":")
bjoern.run(getattr(import_module(module), name), "127.0.0.1", int(sys.argv[1]))
