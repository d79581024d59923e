"""The settings of which application is loaded, and into what surroundings."""

from __future__ import annotations

from corn_core.process.environment import parse_raw_env
from corn_core.settings.model import Setting, boolean, comma_separated, optional, string

SETTINGS = (
    Setting(
        name="wsgi_app",
        section="Application",
        parse=optional(string),
        default=None,
        help=(
            "The application: MODULE, MODULE:NAME, or MODULE:FACTORY('argument'). The name may"
            " have dots in it and is 'application' when it is left out; the arguments of a"
            " factory are literals. On the command line, the application is the argument that"
            " is no option."
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
            " for there, and relative paths begin there."
        ),
        flags=("--chdir",),
        metavar="DIR",
        default_text="the directory that corn is started in",
    ),
    Setting(
        name="pythonpath",
        section="Application",
        parse=comma_separated,
        default=[],
        help=(
            "Directories in which modules are looked for first, in this order, with commas"
            " between them. A relative one begins in chdir."
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
            "Environment variables to set before the application is loaded, NAME=VALUE each."
            " Give it several times, or as a list. A reload first gives the variables of the"
            " old configuration the values they had."
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
            " memory and start faster, but a reload does not bring new code, and what the"
            " application opens while it is imported (connections, threads) is not fit for use"
            " in the workers."
        ),
        flags=("--preload",),
        action="store_true",
    ),
)
