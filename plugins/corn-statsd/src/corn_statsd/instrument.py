"""The instrument: what it does at each moment of a server's life, in master and workers."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from corn_core import hookimpl
from corn_statsd.board import MASTER
from corn_statsd.client import StatsdClient
from corn_statsd.gauges import Gauges, measure
from corn_statsd.link import Link
from corn_statsd.logger import StatsdLogger
from corn_statsd.logs import LogMeter, attach, detach
from corn_statsd.requests import RequestMeter
from corn_statsd.transport import Transport

if TYPE_CHECKING:
    from corn_core.interfaces import Logger
    from corn_core.settings.config import Config


class Instrument:
    """The hook implementations: in a master at first, and then in each of its workers too.

    Nothing is open before the server listens, and after :meth:`close`; the next of the hooks
    in the master takes up its work again.
    """

    def __init__(self) -> None:
        self._client: StatsdClient | None = None
        self._link: Link | None = None
        self._config: Config | None = None
        self._log: Logger | None = None
        self._wanted: tuple[str, str, str] | None = None
        self._gauges = Gauges()
        self._messages = LogMeter(self.client)
        self._requests: RequestMeter | None = None
        self._cells = 1

    def client(self) -> StatsdClient | None:
        """That of the process that asks; None when nothing is measured."""
        return self._client

    def close(self) -> None:
        """Measure nothing any more."""
        self._disconnect()
        self._link = self._config = self._wanted = None
        if self._log is not None:
            detach(self._messages, self._log)

    # -- in the master ---------------------------------------------------------------

    @hookimpl
    def when_ready(self, server: Any) -> None:
        # Not in on_starting: a server that cannot listen has measured nothing.
        self.follow(server.cfg, server.log)

    @hookimpl
    def pre_fork(self, server: Any) -> None:
        # A reload, or the end of one that failed, has put another configuration in force.
        self.follow(server.cfg, server.log)

    @hookimpl
    def on_tick(self, server: Any) -> None:
        """Send the gauges that are due, and see what became of what was sent."""
        self.follow(server.cfg, server.log)
        if self._link is None:
            return
        now = monotonic()
        workers = server.snapshot()
        self._send_gauges(self._gauges.due(measure(workers, server.LISTENERS), now))
        self._cells = max([self._cells, *(worker.slot + 2 for worker in workers)])
        self._link.look(self._cells, server.log, now)

    @hookimpl
    def on_exit(self, server: Any) -> None:
        """Leave no gauge behind that says something else than that nothing runs."""
        # Not when there is another master, that of an upgrade: its gauges have the same names.
        if not any(listener.shared for listener in server.LISTENERS):
            final = dict.fromkeys(measure((), ()), 0)
            self._send_gauges(self._gauges.due(final, monotonic()))
        self.close()

    def follow(self, config: Config, log: Logger) -> None:
        """Measure as that configuration says, if it is not the one in force already."""
        if config is self._config or not config.statsd_host:
            return
        self._config = config
        wanted = (config.statsd_host, config.statsd_prefix, config.dogstatsd_tags)
        if wanted != self._wanted:
            self._wanted = wanted
            self._link = Link(config.statsd_host)
            self._gauges = Gauges()
            self._connect(MASTER)
        # Once more for each configuration: it may have come with a logger of its own, and a
        # logging configuration takes the handlers of others away.
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
    def post_fork(self, worker: Any) -> None:
        """Go on with a socket of the worker's own."""
        self._connect(worker.slot.index + 1)
        if self._client is not None:
            self._requests = RequestMeter(self._client)

    @hookimpl
    def post_request(self, resp: Any) -> None:
        if self._requests is not None:
            self._requests.answered(resp)

    @hookimpl
    def request_refused(self, resp: Any) -> None:
        if self._requests is not None:
            self._requests.refused(resp)

    @hookimpl
    def worker_exit(self) -> None:
        # The log goes on for a while, and its messages are counted by nobody.
        self._disconnect()

    # -- in both ---------------------------------------------------------------------

    def _connect(self, cell: int) -> None:
        self._disconnect()
        if self._link is not None and self._wanted is not None:
            _, prefix, tags = self._wanted
            self._client = StatsdClient(Transport(self._link.board, cell), prefix, tags)

    def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()
