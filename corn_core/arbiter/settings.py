"""The settings for the number of workers, and for how long each of them may take."""

from __future__ import annotations

from corn_core.process.cpus import available_cpus, recommended_workers
from corn_core.setting import Expected, Setting, integer, seconds


def _workers(raw: object) -> int:
    """Parse a number of workers; ``auto`` is the manual's rule of thumb for this machine."""
    if isinstance(raw, str) and raw.strip().lower() == "auto":
        return recommended_workers(available_cpus())
    try:
        number: int = _NUMBER(raw)
    except Expected as expected:
        raise Expected(f"{expected}, or auto") from None
    return number


_NUMBER = integer(1)

SETTINGS = (
    Setting(
        name="workers",
        section="Worker Processes",
        parse=_workers,
        default=1,
        help=(
            "The number of worker processes, usually 2 to 4 for each core. (2 x cores) + 1 is a"
            " good start, and is what auto means, counting the cores that this process may use"
            " within the CPU quota of its container. Each worker costs the memory of the"
            " application, and with too many of them the cores spend their time on switching."
            " The default is taken from the environment variable WEB_CONCURRENCY when it is set."
            " The signals TTIN and TTOU change the number while the server runs."
        ),
        flags=("-w", "--workers"),
        metavar="INT",
        env="WEB_CONCURRENCY",
        # Platforms set it to nothing to say that they have no opinion.
        env_value=lambda text: text.strip() or 1,
    ),
    Setting(
        name="timeout",
        section="Worker Processes",
        parse=seconds,
        default=30.0,
        help=(
            "The seconds a worker may be silent. After that it counts as stuck: its stacks are"
            " written to the error log, and it is killed and replaced. A sync worker is silent"
            " while it handles a request, so this limits its requests too; workers that do"
            " several things at once are not silent then. 0 sets no limit. Workers give a"
            " sign of life every second, so anything below 2 means 2, and a worker that counts"
            " as stuck has one more second to come back."
        ),
        flags=("-t", "--timeout"),
        metavar="SECONDS",
    ),
    Setting(
        name="boot_timeout",
        section="Worker Processes",
        parse=seconds,
        default=120.0,
        help=(
            "The seconds a new worker may take to load the application and report that it is"
            " ready. The limit is a separate one, and four times that of a worker that serves,"
            " because an application that imports slowly is not stuck. 0 sets no limit."
        ),
        flags=("--boot-timeout",),
        metavar="SECONDS",
    ),
    Setting(
        name="graceful_timeout",
        section="Worker Processes",
        parse=seconds,
        default=30.0,
        help=(
            "The seconds a worker has, from the moment it is told to stop, to finish the"
            " requests it has begun; then it is killed. It applies whenever a worker has to"
            " exit: when the server stops or reloads, when fewer workers are wanted, and when a"
            " worker has reached max_requests. 0 kills at once."
        ),
        flags=("--graceful-timeout",),
        metavar="SECONDS",
    ),
    Setting(
        name="shutdown_delay",
        section="Worker Processes",
        parse=seconds,
        default=0.0,
        help=(
            "The seconds between TERM and the beginning of the stop. Until then the server goes on"
            " as before, but says that it is stopping: the health check /readyz of corn-prometheus"
            " answers 503, systemd is told, and the on_stopping hooks have been called. So a load"
            " balancer can send its clients elsewhere before connections are refused: choose"
            " somewhat more than it takes to notice. graceful_timeout begins afterwards, and"
            " whatever kills the server at last has to wait for both. A second TERM ends the"
            " delay, INT and QUIT stop at once, and a master that is replaced in an upgrade does"
            " not wait."
        ),
        flags=("--shutdown-delay",),
        metavar="SECONDS",
    ),
)
