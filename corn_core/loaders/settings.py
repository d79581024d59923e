"""The settings that say which application to load, and in what environment."""

from __future__ import annotations

from corn_core.process.environment import parse_raw_env
from corn_core.setting import Setting, boolean, comma_separated, optional, string

SETTINGS = (
    Setting(
        name="wsgi_app",
        section="Application",
        parse=optional(string),
        default=None,
        help=(
            "The application: MODULE, MODULE:NAME, or MODULE:FACTORY('argument'). The name may"
            " contain dots, and is 'application' if left out; the arguments of a"
            " factory are literals. On the command line, the application is the argument that"
            " is not an option."
        ),
        metavar="APP",
        places=("file",),
    ),
    Setting(
        name="chdir",
        section="Application",
        parse=optional(string),
        default=None,
        help=(
            "The directory to change to before the application is loaded. Modules are looked"
            " up there, and relative paths are relative to it."
        ),
        flags=("--chdir",),
        metavar="DIR",
        default_text="the directory that corn is started in",
    ),
    Setting(
        name="pythonpath",
        section="Application",
        # None is the default in Gunicorn's configurations.
        parse=lambda raw: [] if raw is None else comma_separated(raw),
        default=[],
        help=(
            "Directories to search first for modules, in this order, separated by commas."
            " A relative one is relative to chdir."
        ),
        flags=("--pythonpath",),
        metavar="DIRS",
    ),
    Setting(
        name="raw_env",
        section="Application",
        parse=parse_raw_env,
        default=[],
        help=(
            "Environment variables to set before the application is loaded, each NAME=VALUE."
            " Give it several times, or as a list. A reload first restores the variables that the"
            " old configuration had set."
        ),
        flags=("-e", "--env"),
        metavar="NAME=VALUE",
        action="append",
    ),
    Setting(
        name="preload_app",
        section="Application",
        parse=boolean,
        default=False,
        help=(
            "Load the application in the master, before workers are forked. Workers share its"
            " memory and start faster, but a reload does not bring new code, and whatever the"
            " application opens while it is imported (connections, threads) must not be used"
            " in the workers."
        ),
        flags=("--preload",),
        action="store_true",
    ),
)
