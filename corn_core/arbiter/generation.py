"""Keeps the configuration in force, and the one to return to when it proves useless.

A reload begins a generation. It is proven as soon as one of its workers serves; until then
the last proven generation is kept beside it, with its sockets, ready to take over again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping, Sequence
from typing import NamedTuple

from corn_core.arbiter.server import LoadedConfig
from corn_core.config import Config
from corn_core.errors import BindError
from corn_core.interfaces import Logger, WSGIApp
from corn_core.net import Address, FdAddress, Listener, PathAccess, bind_all, parse_address
from corn_core.net.activation import covers, take_activated
from corn_core.process.pidfile import Pidfile


class Generation(NamedTuple):
    """A configuration in force, with its sockets.

    :param load_app: called by its workers: the configuration's own loader, or one that returns
        the preloaded application.
    """

    number: int
    loaded: LoadedConfig
    listeners: Sequence[Listener]
    load_app: Callable[[], WSGIApp]


class Generations:
    """The generation in force, and the one to fall back on.

    Until the server listens, the generation in force has the number 0: it has the configuration
    that the server was started with, and no sockets or workers. The methods that change something
    return the listeners that no generation needs any longer, to be closed.
    """

    def __init__(self, loaded: LoadedConfig) -> None:
        self.current = Generation(0, loaded, (), loaded.load_app)
        self.fallback: Generation | None = None
        self._proven = False
        self._last_number = 0

    @property
    def next_number(self) -> int:
        """The number of the next generation; none is used twice, even if its reload failed."""
        return self._last_number + 1

    @property
    def listeners(self) -> list[Listener]:
        """All sockets that are open for any generation, the current one's first."""
        older = self.fallback.listeners if self.fallback is not None else ()
        return list(dict.fromkeys((*self.current.listeners, *older)))

    def begin(self, generation: Generation) -> list[Listener]:
        """Put a new generation in force, unproven."""
        before = self.listeners
        if self._proven:
            self.fallback = self.current
        # Otherwise the current one has not served yet, and is nothing to fall back on.
        self.current, self._proven = generation, False
        self._last_number = generation.number
        return self._dropped(before)

    def prove(self) -> list[Listener]:
        """Record that a worker of the current generation serves."""
        before = self.listeners
        self._proven, self.fallback = True, None
        return self._dropped(before)

    def revert(self) -> list[Listener]:
        """Put the last proven generation in force again; there must be a fallback."""
        if self.fallback is None:
            raise ValueError("there is no generation to return to")
        before = self.listeners
        self.current, self._proven, self.fallback = self.fallback, True, None
        return self._dropped(before)

    def _dropped(self, before: Iterable[Listener]) -> list[Listener]:
        kept = set(map(id, self.listeners))
        return [listener for listener in before if id(listener) not in kept]


Pause = Callable[[float], object]
"""Lets so many seconds pass; may raise, to break off the wait."""


class Builder:
    """Makes generations: opens the sockets of a configuration and preloads its application.

    :param pause: how to wait for an address that is in use.
    :ivar activated: the sockets that a service manager has passed; every generation has them.
    """

    def __init__(self, pause: Pause) -> None:
        self._pause = pause
        self._preloaded: tuple[str, WSGIApp] | None = None
        self.activated: list[Listener] = []

    def inherit(self, environ: MutableMapping[str, str], pid: int, log: Logger) -> None:
        """Take the sockets that a service manager has passed.

        :raises BindError: when one of them cannot be used.
        """
        self.activated = take_activated(environ, pid)
        if self.activated:
            urls = ",".join(listener.url for listener in self.activated)
            log.info("Socket activation sockets: %s", urls)

    def preload(self, loaded: LoadedConfig) -> Callable[[], WSGIApp]:
        """Return the application's loader for workers, after loading it if ``preload_app`` is set.

        :raises AppLoadError: when that fails.
        """
        config = loaded.config
        if not config.preload_app:
            return loaded.load_app
        # Loaded once: modules stay imported, so a reload would run the application's factory
        # again with the old code. Only another application is loaded anew.
        if self._preloaded is None or self._preloaded[0] != config.default_proc_name:
            loaded.worker_class.before_boot(config, loaded.log)
            self._preloaded = (config.default_proc_name, loaded.load_app())
        app = self._preloaded[1]
        return lambda: app

    def build(self, number: int, loaded: LoadedConfig, held: Sequence[Listener]) -> Generation:
        """Build a generation; when it is returned, all that can fail in here has succeeded.

        :param held: the listeners that are open; those with the same address are kept.
        :raises CornError: with nothing opened.
        """
        load_app = self.preload(loaded)
        listeners = self._listen(loaded, held)
        return Generation(number, loaded, listeners, load_app)

    def _listen(self, loaded: LoadedConfig, held: Sequence[Listener]) -> list[Listener]:
        """Return a listener for each address, in order.

        The new ones are bound while the old ones are open: there is no moment at which a server
        that listens before and after it has no socket, and when an address cannot be had, nothing
        has been given up for it.
        """
        config = loaded.config
        addresses = self._addresses(config)
        spare = list(held)
        kept = [_take(spare, address) for address in addresses]
        wanted = [address for address, old in zip(addresses, kept, strict=True) if old is None]
        _refuse_our_own(wanted, held)
        access = PathAccess(config.umask, _number(config.user), _number(config.group))
        bound = bind_all(wanted, config.backlog, loaded.log, self._pause, config.reuse_port, access)
        for listener in filter(None, kept):
            _adjust(listener, config, loaded.log)
        new = iter(bound)
        return [old if old is not None else next(new) for old in kept]

    def _addresses(self, config: Config) -> list[Address]:
        """Return what was passed to this process, and what the configuration asks for besides.

        Passed sockets take the place of the default address, but of no other: unless one of
        them is at that very address, which is what the configuration wants then.
        """
        passed = [listener.address for listener in self.activated]
        if passed and config.origin("bind").kind in _NOT_ASKED_FOR:
            return passed
        asked = [parse_address(text) for text in config.bind]
        return passed + [
            address
            for address in asked
            if not any(covers(listener, address) for listener in self.activated)
        ]


_NOT_ASKED_FOR = ("default", "environment")
"""Origins of a ``bind`` that counts only without any other: PORT changes the default."""


def _refuse_our_own(wanted: Iterable[Address], held: Iterable[Listener]) -> None:
    """Refuse a descriptor that this server has opened itself, and that was not passed to it."""
    ours = {listener.fileno() for listener in held}
    for address in wanted:
        if isinstance(address, FdAddress) and address.fd in ours:
            raise BindError(f"cannot listen on {address}: it is a socket of the server's own")


def _adjust(listener: Listener, config: Config, log: Logger) -> None:
    """Let a socket that is kept follow the configuration, as far as it can."""
    if listener.inherited:
        return  # its backlog is up to the program that opened it
    if listener.per_worker != config.reuse_port and not listener.is_unix:
        # Side by side, SO_REUSEPORT sockets and others cannot be bound.
        log.warning("reuse_port changes for %s at the next start only", listener)
    if not listener.per_worker:
        # On a socket that listens already, listen(2) changes the length of its queue.
        listener.socket.listen(config.backlog)


def _number(owner: int | None) -> int:
    return -1 if owner is None else owner  # -1: chown(2) leaves it as it is


def _take(spare: list[Listener], address: Address) -> Listener | None:
    for listener in spare:
        if listener.address == address:
            spare.remove(listener)
            return listener
    return None


def close_listeners(listeners: Iterable[Listener]) -> None:
    """Close sockets for good, and remove the paths of those that have one."""
    for listener in listeners:
        listener.unlink()
        listener.close()


def update_pidfile(
    pidfile: Pidfile | None, path: str | None, instead_of: int = 0
) -> Pidfile | None:
    """Write the pidfile that a configuration asks for, or remove the one that it does not.

    :param instead_of: a process that has ended, and may have left its pidfile.
    :raises CornError: when it cannot be written; the old one is then unchanged.
    """
    if path is None:
        if pidfile is not None:
            pidfile.unlink()
        return None
    if pidfile is None:
        pidfile = Pidfile(path)
        pidfile.create()
    else:
        # To the same path as well: the file may have been removed.
        pidfile.rename(path, instead_of)
    return pidfile
