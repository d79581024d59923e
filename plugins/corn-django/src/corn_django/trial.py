"""Imports a settings module as a trial, in a process of its own.

The master must not import the project, or a reload would not bring new code. But a wrong name, or
a module that fails, should be reported before anything is bound or forked.
"""

from __future__ import annotations

import json
import os
from functools import partial
from importlib import import_module
from typing import NoReturn

from corn_core.plugin import AppLoadError, ConfigError
from corn_django.guard import guarded
from corn_django.names import SETTINGS_VARIABLE
from corn_django.project import SettingsModule


def try_settings(module: SettingsModule) -> None:
    """Import the settings in another process, to see whether that works.

    :raises AppLoadError: when that fails, with the exit status of a wrong configuration.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _try(module, writing)
    os.close(writing)
    with open(reading, "rb") as pipe:
        told = pipe.read()
    os.waitpid(pid, 0)
    # If the process died without a message, the workers will find out more.
    if told:
        message, details = json.loads(told)
        error = AppLoadError(message, details)
        error.exit_status = ConfigError.exit_status
        raise error


def import_settings(module: SettingsModule) -> None:
    """Import only the settings, so that errors in them show without Django's frames.

    :raises AppLoadError: when that fails.
    """
    os.environ[SETTINGS_VARIABLE] = module.name
    guarded(failure(module), partial(import_module, module.name))


def failure(module: SettingsModule) -> str:
    """Format the beginning of a message about settings that fail."""
    return f"settings module {module.name!r} ({module.origin}) cannot be loaded"


def _try(module: SettingsModule, report: int) -> NoReturn:
    try:
        # Settings that print something should do so only in the worker.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        import_settings(module)
    except AppLoadError as error:
        with open(report, "wb") as pipe:
            pipe.write(json.dumps([str(error), error.details]).encode())
    finally:
        # Whatever happens above, this process must not continue as a second master.
        os._exit(0)
