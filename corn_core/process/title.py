"""The name that ps and top show for the server's processes."""

from __future__ import annotations

from corn_core.config import Config
from corn_core.setting import Setting, optional, string

SETTINGS = (
    Setting(
        name="proc_name",
        section="Process Naming",
        parse=optional(string),
        default=None,
        help=(
            "The name by which ps and top show the server's processes, so that several servers"
            " on a machine can be told apart: corn: master [NAME], corn: worker [NAME]. It has"
            " an effect only when the setproctitle package is installed. Without it the name is"
            " that of default_proc_name."
        ),
        flags=("-n", "--name"),
        metavar="NAME",
    ),
    Setting(
        name="default_proc_name",
        section="Process Naming",
        parse=string,
        default="corn",
        help=(
            "The name when proc_name is not set. The server itself sets it to the application"
            " that it was given, such as shop.wsgi:app."
        ),
        places=("file",),
    ),
)


def prepare_title() -> None:
    """Let setproctitle find where the title goes; before anything changes the environment.

    It looks for the arguments right before the first variable of the environment, as the kernel
    has laid them out, and does so at its first use. By then that variable may be somewhere else:
    a configuration that sets it moves it. The titles would be lost without a word.
    """
    try:
        from setproctitle import getproctitle  # lazy: an extra that need not be there
    except ImportError:
        return
    getproctitle()


def set_title(role: str, config: Config | None = None) -> None:
    """Name this process ``corn: ROLE``, with the server's name in brackets if one is given.

    :param role: ``master`` or ``worker``, or the whole text when there is no ``config``.
    :param config: has the settings above.
    """
    try:
        # lazy: an extra that need not be there, and that only takes effect when it is used
        from setproctitle import setproctitle
    except ImportError:
        return
    if config is not None:
        role = f"{role} [{config.proc_name or config.default_proc_name}]"
    setproctitle(f"corn: {role}")
