"""Reload: how one configuration follows another, and how the old one comes back.

Everything that can fail is done before anything is given up. What is left to fail is the
boot of the new workers, and until one of them serves, the old generation serves on and its
sockets stay open.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence

from corn_core.arbiter.generation import (
    Builder,
    Generation,
    Generations,
    Pause,
    close_listeners,
    update_pidfile,
)
from corn_core.arbiter.peer import NEW, PeerMaster
from corn_core.arbiter.server import LoadedConfig, ServerState
from corn_core.arbiter.signals import StopRequested
from corn_core.errors import CornError
from corn_core.logs.handlers import give_log_files
from corn_core.net import Listener
from corn_core.process.handover import Handover
from corn_core.process.pidfile import Pidfile
from corn_core.process.title import set_title


class Reload:
    """The generations of one server, and what belongs to the one in force.

    :param server: the master.
    :param reconfigure: loads the configuration anew; raises ``CornError`` when it cannot be used.
    :param pause: how to wait for an address that is in use.
    :ivar peer: the other master that there is during an upgrade.
    """

    def __init__(
        self,
        server: ServerState,
        first: LoadedConfig,
        reconfigure: Callable[[], LoadedConfig],
        pause: Pause,
        peer: PeerMaster,
    ) -> None:
        self._server = server
        self._first = first
        self._reconfigure = reconfigure
        self.peer = peer
        self._builder = Builder(pause)
        self._inherited: list[Listener] = []
        self._pidfile: Pidfile | None = None
        self._generations: Generations | None = None
        # How many workers the generation wanted that a failed reload returns to.
        self._size_before = 0

    @property
    def current(self) -> Generation:
        """The generation in force, once the server listens."""
        assert self._generations is not None, "the server does not listen yet"
        return self._generations.current

    @property
    def can_revert(self) -> bool:
        """Whether an older generation still serves, and none of the new one's workers does."""
        return self._generations is not None and self._generations.fallback is not None

    def idle_listeners(self) -> list[Listener]:
        """Sockets that are open for an older generation only."""
        assert self._generations is not None
        return [each for each in self._generations.listeners if each not in self.current.listeners]

    # -- the beginning ---------------------------------------------------------------

    def inherit(self, environ: MutableMapping[str, str]) -> None:
        """Take the sockets that a service manager has passed.

        :raises BindError: when one of them is of no use.
        """
        self._builder.inherit(environ, self._server.pid, self._server.log)

    def take_over(self, handover: Handover | None) -> None:
        """Take what another master has handed over, if this one was started in its place.

        :raises BindError: when it is of no use.
        """
        if handover is not None:
            self._inherited = self.peer.inherit(handover)

    def preload(self) -> None:
        """Load the application, if that is to be done in the master.

        :raises AppLoadError: when that fails.
        """
        self._builder.preload(self._first)

    def write_pidfile(self, instead_of: int = 0) -> None:
        """Write or move the pidfile, as the configuration in force and the peer say.

        :param instead_of: a master that has ended, and may have left its pidfile.
        :raises CornError: when it cannot be written.
        """
        path = self.peer.pidfile_path(self._server.cfg.pidfile)
        self._pidfile = update_pidfile(self._pidfile, path, instead_of)

    def open(self) -> None:
        """Listen, for the first generation.

        :raises CornError: with nothing opened.
        """
        generation = self._builder.build_first(self._first, self._inherited)
        self._generations = Generations(generation)
        self._adopt(generation)
        for listener in self._inherited:
            if listener not in generation.listeners:
                # Or clients would wait on it for ever, once the other master has closed its own.
                listener.close()

    # -- reload ----------------------------------------------------------------------

    def reload(self) -> bool:
        """Begin a new generation; whatever is wrong with it, the old one stays in force.

        :returns: whether there is a new generation.
        :raises StopRequested: the server is to stop; the old generation is in force.
        """
        log = self._server.log
        old = self._server.cfg
        generation = self._next_generation()
        if generation is None:
            log.error("Reload failed; the server continues as it was")
            return False
        assert self._generations is not None
        listening = {id(listener) for listener in self._server.LISTENERS}
        self._size_before = self._server.num_workers
        close_listeners(self._generations.begin(generation))
        self._adopt(generation, known=listening)
        self._server.hooks.call("on_reload", server=self._server)
        self.apply()
        if self._server.cfg.workers != old.workers:
            # Otherwise the number stays as TTIN and TTOU have made it.
            self._server.resize(self._server.cfg.workers)
        return True

    def renew(self) -> None:
        """Begin a generation that differs in nothing but its workers' code."""
        assert self._generations is not None
        again = self.current._replace(number=self._generations.next_number)
        close_listeners(self._generations.begin(again))

    def _next_generation(self) -> Generation | None:
        log, generations = self._server.log, self._generations
        assert generations is not None
        try:
            loaded = self._reconfigure()
        except CornError as error:
            log.error("%s", f"{error}\n{error.details}".rstrip())
            return None
        except Exception:
            # A plugin or a config file may raise anything; the server must outlive it.
            log.exception("The configuration cannot be read")
            self._reactivate(generations.current.loaded)
            return None
        try:
            return self._builder.build(generations.next_number, loaded, generations.listeners)
        except CornError as error:
            log.error("%s", f"{error}\n{error.details}".rstrip())
        except StopRequested:
            self._reactivate(generations.current.loaded)
            raise
        self._reactivate(generations.current.loaded)
        return None

    def settle(self) -> None:
        """A worker of the generation in force serves: there is no way back any more."""
        assert self._generations is not None
        close_listeners(self._generations.prove())

    def revert(self) -> None:
        """Return to the generation that still serves."""
        assert self._generations is not None
        failed = self._server.cfg
        dropped = self._generations.revert()
        generation = self._generations.current
        self._reactivate(generation.loaded)
        self._adopt(generation, known={id(listener) for listener in generation.listeners})
        close_listeners(dropped)
        self.apply()
        if self._server.cfg.workers != failed.workers:
            self._server.resize(self._size_before)

    def _reactivate(self, loaded: LoadedConfig) -> None:
        """Undo what reading a newer configuration has done to the process."""
        try:
            loaded.activate()
        except CornError as error:
            # Its directory or its log file may be gone meanwhile; its workers still serve.
            self._server.log.error("%s", error)

    def _adopt(self, generation: Generation, known: Sequence[int] | set[int] = ()) -> None:
        """Put a generation in force; ``known`` sockets need no mention in the log."""
        listeners: list[Listener] = list(generation.listeners)
        self._server.adopt(generation.loaded, listeners)
        give_log_files(self._server.cfg)
        if any(id(listener) not in known for listener in listeners):
            urls = ",".join(listener.url for listener in listeners)
            if generation.loaded.tls is not None:
                urls = urls.replace("http://", "https://")
            self._server.log.info("Listening at: %s (%s)", urls, self._server.pid)

    def apply(self, instead_of: int = 0) -> None:
        """Let the rest of a new configuration, or a change in the peer, act on the master."""
        try:
            self.write_pidfile(instead_of)
        except CornError as error:
            self._server.log.error("%s", error)
        set_title(self.peer.role, self._server.cfg)

    # -- the end ---------------------------------------------------------------------

    def stop_listening(self) -> None:
        """Close the sockets; workers take what waits in their backlogs from their own copies.

        A worker that is inside the application does not close its copy for a while, and clients
        who came meanwhile might not be served any more: so they are refused. Not during an upgrade,
        when the other master's workers serve them.
        """
        if self._generations is None:
            return
        if self.peer.alone:
            for listener in self._generations.listeners:
                listener.refuse()
        close_listeners(self._generations.listeners)

    def leave_pidfile(self) -> None:
        """In a worker: close the master's pidfile, which keeps its lock as long as it is open."""
        if self._pidfile is not None:
            self._pidfile.release()

    def remove_pidfile(self) -> None:
        if self._pidfile is not None:
            if self.peer.successor:
                # Sooner than it notices that we are gone: there should always be one.
                self._pidfile.leave_to(self.peer.successor, self._pidfile.path + NEW)
            self._pidfile.unlink()
            if self.peer.predecessor:
                # It may have done so this moment, on its own way out.
                self._pidfile.path = self._pidfile.path.removesuffix(NEW)
                self._pidfile.unlink()
