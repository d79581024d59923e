"""Log files belong to the user that workers run as."""

from __future__ import annotations

from corn_core.config import Config
from corn_core.logs.logger import file_handlers
from corn_core.process.privileges import give_file


def give_log_files(config: Config) -> None:
    """Give every open log file to the user of the configuration, the application's too.

    A worker that has dropped its privileges can then open them again when they are rotated.
    The master calls it, each time that it has opened log files.
    """
    for handler in file_handlers():
        if handler.stream is not None:
            give_file(handler.stream.fileno(), handler.baseFilename, config)
