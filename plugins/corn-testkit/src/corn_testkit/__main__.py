"""``python -m corn_testkit new-plugin KIND NAME [DIRECTORY]``: begin a plugin."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from corn_core.plugin import ConfigError
from corn_testkit.template import GROUPS, write_plugin


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(
        "python -m corn_testkit", description="Tools for the authors of corn plugins."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    new = commands.add_parser(
        "new-plugin",
        help="write a distribution from which a plugin is begun",
        description="Write a distribution from which a plugin is begun.",
    )
    new.add_argument("kind", choices=GROUPS, help=f"the kind of plugin: {', '.join(GROUPS)}")
    new.add_argument("name", help="the name that users type, such as greet in -k greet")
    new.add_argument("directory", nargs="?", type=Path, help="the new directory: corn-NAME")
    given = parser.parse_args(argv)
    try:
        directory = write_plugin(given.kind, given.name, given.directory)
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    print(f"{directory} is a {given.kind} to begin with. Next:")
    # Without the dot, pip would take it for the name of a distribution.
    path = directory if directory.is_absolute() else f"./{directory}"
    print(f"  pip install -e '{path}[test]'")
    print(f"  pytest {directory}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
