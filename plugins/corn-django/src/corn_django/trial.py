"""Importing a settings module for a trial, in a process of its own.

The master must not import the project, or no reload would bring new code. But a name that is
wrong, or a module that fails, is to be told before anything is bound or forked.
"""

from __future__ import annotations

import json
import os
from functools import partial
from importlib import import_module
from typing import NoReturn

from corn_core.errors import AppLoadError, ConfigError
from corn_django.guard import guarded
from corn_django.names import SETTINGS_VARIABLE
from corn_django.project import SettingsModule


def try_settings(module: SettingsModule) -> None:
    """Import the settings, and forget about them.

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
    # What has died without a word is left to the workers, which say more about it.
    if told:
        message, details = json.loads(told)
        error = AppLoadError(message, details)
        error.exit_status = ConfigError.exit_status
        raise error


def import_settings(module: SettingsModule) -> None:
    """Import the settings by themselves.

    What is wrong with them is shown without the frames of Django around it.

    :raises AppLoadError: when that fails.
    """
    os.environ[SETTINGS_VARIABLE] = module.name
    guarded(failure(module), partial(import_module, module.name))


def failure(module: SettingsModule) -> str:
    """How a message begins about settings that fail."""
    return f"settings module {module.name!r} ({module.origin}) cannot be loaded"


def _try(module: SettingsModule, report: int) -> NoReturn:
    try:
        # Settings that print something do so once, in the worker.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        import_settings(module)
    except AppLoadError as error:
        with open(report, "wb") as pipe:
            pipe.write(json.dumps([str(error), error.details]).encode())
    finally:
        # Whatever else happens in here: this process must not go on as a second master.
        os._exit(0)
