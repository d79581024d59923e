"""Putting a logging configuration into force, and taking it back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from corn_core.errors import ConfigError
from corn_core.logs.logconfig import Plan


class State(NamedTuple):
    """What a configuration may change about a logger."""

    level: int = logging.NOTSET
    propagate: bool = True
    disabled: bool = False
    handlers: tuple[logging.Handler, ...] = ()
    filters: tuple[Any, ...] = ()


Changes = dict[logging.Logger, tuple[State, State]]
"""The loggers that a configuration has changed: how they were before it, and after."""

_in_force: Changes = {}
# What the configuration in force has changed. The loggers belong to the process and not to a
# Logger object, of which a reload makes another one; so does this.


def replace_configuration(
    plan: Plan | None, prepare: Callable[[], Iterable[logging.Handler]]
) -> list[logging.Handler]:
    """Put a configuration into the place of the one in force; None only takes that back.

    :param prepare: is called between the two, to install handlers; returns those that it has
        removed.
    :returns: the handlers that nothing needs any more, to be closed.
    :raises ConfigError: when the configuration cannot be carried out; all loggers are as they
        were, handlers included.
    """
    global _in_force
    present = states()
    dropped = _undo(_in_force)
    dropped += prepare()
    try:
        changes = _carry_out(plan) if plan is not None else {}
    except ConfigError:
        _restore(present)
        raise
    _in_force = changes
    return dropped


def _carry_out(plan: Plan) -> Changes:
    """Put a configuration into force; returns what it has changed.

    :raises ConfigError: when that fails; the loggers are as they were.
    """
    # logging.config closes all handlers of the process before it makes new ones. Those that
    # are there must survive, for they go on when it fails; so it does not get to see them.
    # There is no public way to their list.
    registered: list[Any] = getattr(logging, "_handlerList", [])
    kept = registered[:]
    del registered[:]
    before = states()
    try:
        plan.carry_out()
    except Exception as error:
        # Broad: a configuration names classes and functions of anybody.
        _restore(before)
        logging.shutdown(registered)  # closes what it had made so far
        registered[:] = kept
        raise plan.source.refusal(error) from error
    registered[:0] = kept
    return _changes(before, states())


def _undo(changes: Changes) -> list[logging.Handler]:
    """Take back what a configuration has changed, except what somebody changed again later;
    returns its handlers, to be closed."""
    removed: list[logging.Handler] = []
    for logger, (before, after) in changes.items():
        if logger.level == after.level:
            logger.setLevel(before.level)
        if logger.propagate == after.propagate:
            logger.propagate = before.propagate
        logger.disabled = before.disabled
        for one in after.filters:
            if one not in before.filters:
                logger.removeFilter(one)
        for handler in after.handlers:
            if handler not in before.handlers:
                logger.removeHandler(handler)
                removed.append(handler)
        for handler in before.handlers:
            if handler not in after.handlers:
                logger.addHandler(handler)
    return list(dict.fromkeys(removed))


def states() -> dict[logging.Logger, State]:
    """How all loggers of the process are."""
    return {
        logger: State(
            logger.level,
            bool(logger.propagate),
            bool(logger.disabled),
            tuple(logger.handlers),
            tuple(logger.filters),
        )
        for logger in all_loggers()
    }


def all_loggers() -> Iterator[logging.Logger]:
    """Every logger of the process; one with several names comes several times."""
    root = logging.getLogger()
    yield root
    for logger in root.manager.loggerDict.values():
        # There are placeholders too, for parents that nobody has asked for.
        if isinstance(logger, logging.Logger):
            yield logger


def _restore(before: Mapping[logging.Logger, State]) -> None:
    """Make all loggers as they were; those that were not there become like new."""
    for logger, state in states().items():
        wanted = before.get(logger, State())
        if state != wanted:
            logger.setLevel(wanted.level)
            logger.propagate, logger.disabled = wanted.propagate, wanted.disabled
            # In place: applications share the list, as in app.logger.handlers = log.handlers.
            logger.handlers[:], logger.filters[:] = wanted.handlers, wanted.filters


def _changes(
    before: Mapping[logging.Logger, State], after: Mapping[logging.Logger, State]
) -> Changes:
    return {
        logger: (before.get(logger, State()), state)
        for logger, state in after.items()
        if state != before.get(logger, State())
    }
