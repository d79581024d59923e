"""``manage.py corn``: the server for this project."""

from __future__ import annotations

import sys
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from corn_core.cli import report
from corn_core.plugin import CornError
from corn_core.settings.commandline import early_command
from corn_django.handover import server_arguments, take_over, usage


class Command(BaseCommand):  # type: ignore[misc]  # Django has no types
    """Bypasses Django's argument parser, because all options are the server's."""

    help = "Serves this project with corn."
    requires_system_checks: ClassVar[list[str]] = []

    def run_from_argv(self, argv: list[str]) -> None:
        try:
            if early_command(argv[2:]) == "help":
                self.print_help(argv[0], argv[1])
                return
            arguments = server_arguments(argv[2:])
        except CornError as error:
            sys.exit(report(error))
        # Django's set-up may have opened some, which only this program could use.
        connections.close_all()
        take_over(arguments)

    def print_help(self, prog_name: str, subcommand: str) -> None:
        print(usage(prog_name, subcommand), end="")

    def handle(self, *args: Any, **options: Any) -> None:
        raise CommandError("corn replaces the process it runs in: run it from the command line")
