"""The setting and the master's hooks; the hooks that count requests are added only if it is set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from corn_core.plugin import Setting, hookimpl, optional, parse_listener

if TYPE_CHECKING:
    from corn_core.typing import Config, Server, WorkerView
    from corn_prometheus.exporter import Exporter


SETTINGS = (
    Setting(
        name="metrics_bind",
        section="Metrics",
        parse=optional(parse_listener),
        default=None,
        help=(
            "The address of a listener for metrics, such as 127.0.0.1:9100 or unix:PATH. The"
            " master answers there, even while all workers are busy: /metrics for"
            " Prometheus, /livez and /readyz for health checks. It answers anyone who can"
            " connect, so choose an address that only your monitoring can reach."
        ),
        flags=("--metrics-bind",),
        metavar="ADDRESS",
        default_text="no metrics",
    ),
)


class Plugin:
    """Keeps the exporter in step with the configuration."""

    def __init__(self) -> None:
        self._exporter: Exporter | None = None

    @hookimpl
    def corn_settings(self) -> Iterable[Setting]:
        return SETTINGS

    @hookimpl
    def corn_instruments(self, config: Config) -> Iterable[Any]:
        if config.metrics_bind is None:
            return ()
        if self._exporter is None:
            # lazy: only a server with metrics needs it and its library
            from corn_prometheus.exporter import Exporter

            self._exporter = Exporter()
        return (self._exporter.counting,)

    @hookimpl
    def on_starting(self, server: Server) -> None:
        if self._exporter is not None:
            self._exporter.open_first(server)

    @hookimpl
    def when_ready(self, server: Server) -> None:
        if self._exporter is not None:
            self._exporter.attach(server)

    @hookimpl
    def on_tick(self, server: Server) -> None:
        if self._exporter is not None:
            self._exporter.tend(server)

    @hookimpl
    def pre_fork(self, worker: WorkerView) -> None:
        if self._exporter is not None:
            self._exporter.tally.note(worker.slot.index)

    @hookimpl
    def child_exit(self, reason: str) -> None:
        if self._exporter is not None:
            self._exporter.exits[reason] += 1

    @hookimpl
    def post_fork(self) -> None:
        if self._exporter is not None:
            self._exporter.leave()

    @hookimpl
    def on_exit(self) -> None:
        if self._exporter is not None:
            self._exporter.close()


plugin = Plugin()
"""The object that the entry point names; there is one server per process, and so one plugin."""
