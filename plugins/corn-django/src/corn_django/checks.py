"""Django's deployment checks, as part of the server's own check."""

from __future__ import annotations

import sys
from functools import partial

from django.core.management.base import BaseCommand, SystemCheckError

from corn_core.plugin import AppLoadError
from corn_django.guard import guarded


def run_deployment_checks() -> None:
    """Do what ``manage.py check --deploy`` does; warnings are only shown.

    :raises AppLoadError: when there is an error, or a check cannot be run.
    """
    # All on standard error, because other programs may read what --print-config prints.
    command = BaseCommand(stdout=sys.stderr, stderr=sys.stderr, no_color=True)
    guarded("Django's deployment checks cannot be run", partial(_check, command))


def _check(command: BaseCommand) -> None:
    try:
        command.check(include_deployment_checks=True)
    except SystemCheckError as error:
        text = f"{str(error).rstrip()}\n"
        raise AppLoadError("Django's deployment checks have found errors", text) from None
