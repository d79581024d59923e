"""The names under which an existing deployment knows the server's loggers."""

from __future__ import annotations

import logging

ALIASES = {
    "gunicorn": "corn",
    "gunicorn.error": "corn.error",
    "gunicorn.access": "corn.access",
}
"""Names of Gunicorn's loggers, with those of ours that they stand for."""


def adopt_names() -> None:
    """Make the names of :data:`ALIASES` mean our loggers, for configurations and applications.

    It is one logger with two names, so whatever is done under one of them (a level, a handler,
    a filter, a look at its handlers) holds under the other. The records say ``corn``.
    """
    known = logging.Logger.manager.loggerDict
    for name, ours in ALIASES.items():
        logger = logging.getLogger(ours)
        before = known.get(name)
        if before is logger:
            continue
        known[name] = logger
        if isinstance(before, logging.Logger):
            _succeed(before, logger)


def _succeed(before: logging.Logger, logger: logging.Logger) -> None:
    """Take over from a logger that somebody, such as a config file, has got hold of already."""
    for handler in before.handlers[:]:
        before.removeHandler(handler)
        logger.addHandler(handler)
    for one in before.filters[:]:
        logger.addFilter(one)
    # What is still logged to it goes where our records go.
    before.parent, before.propagate = logger, True
