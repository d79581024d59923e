"""The instrument: its hooks, in the master and in the workers."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from corn_core.plugin import hookimpl
from corn_statsd.board import MASTER
from corn_statsd.client import StatsdClient
from corn_statsd.gauges import Gauges, measure
from corn_statsd.link import Link
from corn_statsd.logger import StatsdLogger
from corn_statsd.logs import LogMeter, attach, detach
from corn_statsd.requests import RequestMeter
from corn_statsd.transport import Transport

if TYPE_CHECKING:
    from corn_core.typing import Config, Logger, Response, Server, WorkerView


class Instrument:
    """The hook implementations; used in the master, and after the fork in each worker too.

    Nothing is open before the server listens, nor after :meth:`close`. The next hook in the
    master opens it again.
    """

    def __init__(self) -> None:
        self._client: StatsdClient | None = None
        self._link: Link | None = None
        self._config: Config | None = None
        self._log: Logger | None = None
        self._wanted: tuple[str, str, str, str] | None = None
        self._gauges = Gauges()
        self._messages = LogMeter(self.client)
        self._requests: RequestMeter | None = None
        self._cells = 1

    def client(self) -> StatsdClient | None:
        """Return this process's client, or None when nothing is measured."""
        return self._client

    def close(self) -> None:
        """Stop measuring."""
        self._disconnect()
        self._link = self._config = self._wanted = None
        if self._log is not None:
            detach(self._messages, self._log)

    # -- in the master ---------------------------------------------------------------

    @hookimpl
    def when_ready(self, server: Server) -> None:
        # Not in on_starting: a server that cannot listen has nothing to measure.
        self.follow(server.cfg, server.log)

    @hookimpl
    def pre_fork(self, server: Server) -> None:
        # A reload, or the undoing of one that failed, has put another configuration in force.
        self.follow(server.cfg, server.log)

    @hookimpl
    def on_tick(self, server: Server) -> None:
        """Send the gauges that are due, and check what became of earlier datagrams."""
        self.follow(server.cfg, server.log)
        if self._link is None:
            return
        now = monotonic()
        workers = server.snapshot()
        self._send_gauges(self._gauges.due(measure(workers, server.LISTENERS), now))
        self._cells = max([self._cells, *(worker.slot + 2 for worker in workers)])
        self._link.look(self._cells, server.log, now)

    @hookimpl
    def on_exit(self, server: Server) -> None:
        """Set all gauges to 0, because nothing is running any more."""
        # Not during an upgrade: the other master's gauges have the same names.
        if not any(listener.shared for listener in server.LISTENERS):
            final = dict.fromkeys(measure((), ()), 0)
            self._send_gauges(self._gauges.due(final, monotonic()))
        self.close()

    def follow(self, config: Config, log: Logger) -> None:
        """Measure as a configuration says, unless it is already in force."""
        if config is self._config or not config.statsd_host:
            return
        self._config = config
        how = (config.statsd_prefix, config.dogstatsd_tags, config.statsd_names)
        wanted = (config.statsd_host, *how)
        if wanted != self._wanted:
            self._wanted = wanted
            self._link = Link(config.statsd_host)
            self._gauges = Gauges()
            self._connect(MASTER)
        # Attach again for each configuration: it may have brought a logger of its own, and a
        # logging configuration removes other handlers.
        self._log = log
        if not attach(self._messages, self.client, log):
            log.warning("The messages of this logger class cannot be counted for statsd")
        if isinstance(log, StatsdLogger):
            log.client = self.client

    def _send_gauges(self, values: dict[str, int]) -> None:
        if self._client is None or not values:
            return
        with self._client.pipeline() as packet:
            for name, value in values.items():
                packet.gauge(name, value)

    # -- in a worker -----------------------------------------------------------------

    @hookimpl
    def post_fork(self, worker: WorkerView) -> None:
        """Replace the master's socket by one of the worker's own."""
        self._connect(worker.slot.index + 1)
        if self._client is not None:
            self._requests = RequestMeter(self._client)

    @hookimpl
    def post_request(self, resp: Response) -> None:
        if self._requests is not None:
            self._requests.answered(resp)

    @hookimpl
    def request_refused(self, resp: Response) -> None:
        if self._requests is not None:
            self._requests.refused(resp)

    @hookimpl
    def worker_exit(self) -> None:
        # The log is used for a while longer, but its messages are no longer counted.
        self._disconnect()

    # -- in both ---------------------------------------------------------------------

    def _connect(self, cell: int) -> None:
        self._disconnect()
        if self._link is not None and self._wanted is not None:
            self._client = StatsdClient(Transport(self._link.board, cell), *self._wanted[1:])

    def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()
