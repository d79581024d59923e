"""How a configuration takes the place of another: sockets, pidfile, preloaded application."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from corn_core.arbiter.generations import Generation
from corn_core.arbiter.wiring import Wiring
from corn_core.interfaces import WSGIApp
from corn_core.net import Address, Listener, bind_all, parse_address
from corn_core.process.pidfile import Pidfile

Pause = Callable[[float], object]
"""Lets so many seconds pass; may raise, to break off."""


class Builder:
    """Makes generations: opens what a wiring asks for and loads what it wants loaded.

    :param pause: how to wait for an address that is in use.
    """

    def __init__(self, pause: Pause) -> None:
        self._pause = pause
        self._preloaded: tuple[str, WSGIApp] | None = None

    def preload(self, wiring: Wiring) -> Callable[[], WSGIApp]:
        """The application's loader for workers; with ``preload_app`` it loads it here and now.

        :raises AppLoadError: when that fails.
        """
        config = wiring.config
        if not config.preload_app:
            return wiring.load_app
        # Loaded once: modules stay imported, so a reload would run the application's factory
        # again with the old code. Another application is another matter.
        if self._preloaded is None or self._preloaded[0] != config.wsgi_app:
            self._preloaded = (config.wsgi_app, wiring.load_app())
        app = self._preloaded[1]
        return lambda: app

    def build(self, number: int, wiring: Wiring, held: Sequence[Listener]) -> Generation:
        """A generation, of which all that can fail has succeeded.

        :param held: the listeners that are open; those with the same address are kept.
        :raises CornError: with nothing opened.
        """
        load_app = self.preload(wiring)
        listeners = self._listen(wiring, held)
        return Generation(number, wiring, listeners, load_app)

    def _listen(self, wiring: Wiring, held: Sequence[Listener]) -> list[Listener]:
        """A listener for each address, in order.

        The new ones are bound while the old ones are open: at no moment is a server that
        listens before and after it without a socket, and when an address cannot be had,
        nothing has been given up for it.
        """
        config = wiring.config
        addresses = [parse_address(text) for text in config.bind]
        spare = list(held)
        kept = [_take(spare, address) for address in addresses]
        wanted = [address for address, old in zip(addresses, kept, strict=True) if old is None]
        new = iter(bind_all(wanted, config.backlog, wiring.log, self._pause))
        for listener in kept:
            if listener is not None:
                # On a socket that listens already, listen(2) changes the length of its queue.
                listener.socket.listen(config.backlog)
        return [old if old is not None else next(new) for old in kept]


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


def update_pidfile(pidfile: Pidfile | None, path: str | None) -> Pidfile | None:
    """Write the pidfile that a configuration asks for, or remove the one that it does not.

    :raises CornError: when it cannot be written; the old one is as it was.
    """
    if path is None:
        if pidfile is not None:
            pidfile.unlink()
        return None
    if pidfile is None:
        pidfile = Pidfile(path)
        pidfile.create()
    else:
        # To the same path as well: somebody may have removed it.
        pidfile.rename(path)
    return pidfile
