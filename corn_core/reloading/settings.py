"""The settings of reloading the application when its code changes."""

from __future__ import annotations

from corn_core.setting import Setting, boolean, name_or_object, strings

SETTINGS = (
    Setting(
        name="reload",
        section="Debugging",
        parse=boolean,
        default=False,
        help=(
            "Restart workers when code changes. It is meant for development: each worker checks"
            " once a second whether a module that the application has imported was saved. The"
            " new workers are ready before the old ones go. If the application cannot be"
            " imported, every client gets a page with the traceback, until the mistake is fixed"
            " and saved. Modules in site-packages or the standard library are not watched,"
            " nor are those the master has imported: the config file's modules, and, with"
            " preload_app, all of them."
        ),
        flags=("--reload",),
        action="store_true",
    ),
    Setting(
        name="reload_engine",
        section="Debugging",
        parse=name_or_object,
        default="auto",
        help=(
            "What tells a worker to look for changes: poll, which looks once a second, or the name"
            " of an installed engine such as watchfiles, which the operating system notifies at"
            " once. Also package.module.Class, package.module:Class or egg:distribution#name."
            " auto uses an installed engine if there is one, and poll otherwise."
        ),
        flags=("--reload-engine",),
        metavar="NAME",
    ),
    Setting(
        name="reload_extra_files",
        section="Debugging",
        parse=strings,
        default=[],
        help=(
            "A file to watch besides the application's modules, such as a template. It may be a"
            " pattern, in which ** stands for any number of directories; a file that starts"
            " matching later, or is removed, counts as a change too. Give the flag several"
            " times, or a list. It has no effect without reload."
        ),
        flags=("--reload-extra-file",),
        metavar="FILE",
        action="append",
    ),
)
