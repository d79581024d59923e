"""The settings of reloading the application when its code changes."""

from __future__ import annotations

from corn_core.settings.model import Setting, boolean, name_or_object, strings

SETTINGS = (
    Setting(
        name="reload",
        section="Debugging",
        parse=boolean,
        default=False,
        help=(
            "Restart workers when code changes. It is meant for development: each worker looks"
            " once a second whether a module that the application has imported was saved. The"
            " new workers are ready before the old ones go. An application that cannot be"
            " imported is answered for with a page that shows the traceback, to anybody, until"
            " it is saved without the mistake. What is in site-packages or in the standard"
            " library is not watched, nor is what the master has imported: the config file's"
            " modules, and everything with preload_app."
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
            "What tells a worker to look for changes: poll, which is once a second, or the name"
            " of an installed engine such as watchfiles, which the system tells of changes at"
            " once. Also package.module.Class, package.module:Class or egg:distribution#name."
            " auto takes an installed engine if there is one, and poll otherwise."
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
            "A file to watch beside the application's modules, such as a template. It may be a"
            " pattern, in which ** stands for any number of directories; a file that comes to"
            " match it later, or is removed, counts as a change too. Give the flag several"
            " times, or a list. It has no effect without reload."
        ),
        flags=("--reload-extra-file",),
        metavar="FILE",
        action="append",
    ),
)
