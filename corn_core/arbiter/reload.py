"""SIGHUP: replaces one configuration by the next, and brings the old one back if that fails.

Everything that can fail is done before anything is given up. What is left to fail is the
boot of the new workers; until one of them serves, the old generation continues to serve and its
sockets stay open.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, MutableMapping

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
from corn_core.errors import ConfigError, CornError, one_line
from corn_core.frames import explained
from corn_core.logs import Addresses
from corn_core.logs.handlers import give_log_files
from corn_core.net import Listener
from corn_core.process.handover import Handover
from corn_core.process.pidfile import Pidfile
from corn_core.process.title import set_title


class Reload:
    """The generations of one server, and what belongs to the one in force.

    :param server: the master.
    :param first: the configuration that it was started with.
    :param reconfigure: loads the configuration anew; raises ``CornError`` when it cannot be used.
    :param pause: how to wait for an address that is in use.
    :ivar peer: the other master during an upgrade.
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
        self._reconfigure = reconfigure
        self.peer = peer
        self._builder = Builder(pause)
        self._inherited: list[Listener] = []
        self._pidfile: Pidfile | None = None
        self._generations = Generations(first)
        # How many workers the generation wanted that a failed reload returns to.
        self._size_before = 0

    @property
    def current(self) -> Generation:
        """The generation in force."""
        return self._generations.current

    @property
    def can_revert(self) -> bool:
        """True if an older generation still serves, and none of the new one's workers does."""
        return self._generations.fallback is not None

    def idle_listeners(self) -> list[Listener]:
        """Return the sockets that are open for an older generation only."""
        return [each for each in self._generations.listeners if each not in self.current.listeners]

    # -- the beginning ---------------------------------------------------------------

    def inherit(self, environ: MutableMapping[str, str]) -> None:
        """Take the sockets that a service manager has passed.

        :raises BindError: when one of them cannot be used.
        """
        self._builder.inherit(environ, self._server.pid, self._server.log)

    def take_over(self, handover: Handover | None) -> None:
        """Take what another master has handed over, if this one was started in its place.

        :raises BindError: when it cannot be used.
        """
        if handover is not None:
            self._inherited = self.peer.inherit(handover)

    def preload(self) -> None:
        """Load the application, if that is to be done in the master.

        :raises AppLoadError: when that fails.
        """
        self._builder.preload(self.current.loaded)

    def write_pidfile(self, instead_of: int = 0) -> None:
        """Write or move the pidfile, as the configuration in force and the peer require.

        :param instead_of: a master that has ended, and may have left its pidfile.
        :raises CornError: when it cannot be written.
        """
        path = self.peer.pidfile_path(self._server.cfg.pidfile)
        self._pidfile = update_pidfile(self._pidfile, path, instead_of)

    def open(self) -> None:
        """Listen, for the first generation.

        :raises CornError: with nothing opened.
        """
        held = [*self._builder.activated, *self._inherited]
        generation = self._builder.build(1, self.current.loaded, held)
        close_listeners(self._generations.begin(generation))
        self._adopt(generation)
        for listener in self._inherited:
            if listener not in generation.listeners:
                # Or clients would wait on it for ever, once the other master has closed its own.
                listener.close()

    # -- reload ----------------------------------------------------------------------

    def reload(self) -> None:
        """Begin a new generation with the configuration as its sources are now.

        On return the new generation is in force: its configuration, sockets, pidfile, title
        and number of workers. It has no worker yet, and until :meth:`settle` the old generation is
        kept with its sockets and its workers, so that :meth:`revert` can return to it.

        If the configuration cannot be read or used, the old generation is in force as before, the
        reason is logged, and ``reload_failed`` has been called.

        :raises StopRequested: the server is told to stop, during a wait for an address; the old
            generation is in force.
        """
        old = self._server.cfg
        try:
            generation = self._next_generation()
        except CornError as error:
            self._server.log.error("%s", f"{error}\n{error.details}".rstrip())
            self._give_up(str(error))
            return
        known = {id(listener) for listener in self._server.LISTENERS}
        self._size_before = self._server.num_workers
        close_listeners(self._generations.begin(generation))
        self._adopt(generation, known)
        self._server.hooks.call("on_reload", server=self._server)
        self.apply()
        if self._server.cfg.workers != old.workers:
            # Otherwise the number stays as TTIN and TTOU have made it.
            self._server.resize(self._server.cfg.workers)

    def renew(self) -> None:
        """Begin a generation that differs in nothing but its workers' code."""
        again = self.current._replace(number=self._generations.next_number)
        close_listeners(self._generations.begin(again))

    def _next_generation(self) -> Generation:
        """Read the configuration and open what it needs.

        :raises CornError: when that is not possible, with the process as it was.
        :raises StopRequested: see :meth:`reload`; likewise.
        """
        generations = self._generations
        try:
            loaded = self._reconfigure()
        except CornError:
            raise  # by contract it has left the process unchanged
        except Exception as error:
            # A plugin or a config file may raise anything; the server must outlive it.
            self._reactivate(generations.current.loaded)
            failure = ConfigError(f"the configuration cannot be read: {one_line(error)}")
            raise explained(failure, error) from error
        # From here on the new configuration acts on the process: its directory, its variables,
        # its hooks.
        try:
            return self._builder.build(generations.next_number, loaded, generations.listeners)
        except (CornError, StopRequested):
            self._reactivate(generations.current.loaded)
            raise

    def settle(self) -> None:
        """Give up what the old generation alone needs: a worker of the new one serves."""
        close_listeners(self._generations.prove())

    def revert(self, reason: str) -> None:
        """Return to the generation that still serves; see :attr:`can_revert`.

        :param reason: why the new one is of no use.
        """
        failed = self._server.cfg
        dropped = self._generations.revert()
        generation = self._generations.current
        self._reactivate(generation.loaded)
        self._adopt(generation, known={id(listener) for listener in generation.listeners})
        close_listeners(dropped)
        self.apply()
        if self._server.cfg.workers != failed.workers:
            self._server.resize(self._size_before)
        self._give_up(reason)

    def _give_up(self, reason: str) -> None:
        """Report a failed reload, with the old configuration in force."""
        self._server.log.error("Reload failed; the server continues as it was")
        self._server.hooks.call("reload_failed", server=self._server, reason=reason)

    def _reactivate(self, loaded: LoadedConfig) -> None:
        """Undo what reading a newer configuration has done to the process."""
        try:
            loaded.activate()
        except CornError as error:
            # Its directory or its log file may be gone meanwhile; its workers still serve.
            self._server.log.error("%s", error)

    def _adopt(self, generation: Generation, known: Collection[int] = ()) -> None:
        """Put a generation in force; ``known`` sockets need no mention in the log."""
        listeners: list[Listener] = list(generation.listeners)
        self._server.adopt(generation.loaded, listeners)
        give_log_files(self._server.cfg)
        if any(id(listener) not in known for listener in listeners):
            urls = ",".join(listener.url for listener in listeners)
            if generation.loaded.tls is not None:
                urls = urls.replace("http://", "https://")
            self._server.log.info("Listening at: %s (%s)", Addresses(urls), self._server.pid)

    def apply(self, instead_of: int = 0) -> None:
        """Rewrite pidfile and process title after a reload or a step of an upgrade."""
        try:
            self.write_pidfile(instead_of)
        except CornError as error:
            self._server.log.error("%s", error)
        set_title(self.peer.role, self._server.cfg)

    # -- the end ---------------------------------------------------------------------

    def stop_listening(self) -> None:
        """Close the sockets; workers take what waits in their backlogs from their own copies.

        A worker that is inside the application does not close its copy for a while, and clients
        that connect meanwhile might never be served: so they are refused. Not during an upgrade,
        when the other master's workers serve them.
        """
        if self.peer.alone:
            for listener in self._generations.listeners:
                listener.refuse()
        close_listeners(self._generations.listeners)

    def leave_pidfile(self) -> None:
        """Close a worker's copy of the pidfile, whose lock would outlive the master in it."""
        if self._pidfile is not None:
            self._pidfile.release()

    def remove_pidfile(self) -> None:
        if self._pidfile is not None:
            if self.peer.successor:
                # Before it notices that we are gone: there should be a pidfile at all times.
                self._pidfile.leave_to(self.peer.successor, self._pidfile.path + NEW)
            self._pidfile.unlink()
            if self.peer.predecessor:
                # It may have moved our file this moment, on its own way out.
                self._pidfile.path = self._pidfile.path.removesuffix(NEW)
                self._pidfile.unlink()
