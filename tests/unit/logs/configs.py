"""Configurations for loggers, and a way to run a logger in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from corn_core.config import Config
from corn_core.logs import SETTINGS
from corn_core.process import title

ALL = (*SETTINGS, *title.SETTINGS)


def config(**values: object) -> Config:
    settings = {setting.name: setting for setting in ALL}
    defaults = {setting.name: setting.default for setting in ALL}
    return Config(settings, defaults, {}).replace(**values)


def in_python(code: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a logger in a process of its own, where the standard streams are real."""
    set_up = (
        "import os, sys\n"
        "from types import SimpleNamespace as NS\n"
        "from datetime import timedelta\n"
        "from corn_core.logs import SETTINGS, Logger\n"
        "from corn_core.config import Config\n"
        "defaults = {s.name: s.default for s in SETTINGS}\n"
        "config = Config({s.name: s for s in SETTINGS}, defaults, {})\n"
        "resp = NS(status='200 OK', headers=[], sent=1)\n"
        "short = config.replace(accesslog='-', access_log_format='%(s)s')\n"
    )
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    return subprocess.run(
        [sys.executable, "-c", set_up + code], text=True, timeout=30, env=environ, **options
    )
