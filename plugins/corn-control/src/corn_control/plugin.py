"""The setting and the master's hooks; what takes commands is imported only if it is set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from corn_core.plugin import Expected, Setting, hookimpl, optional, parse_listener

if TYPE_CHECKING:
    from corn_control.service import Service
    from corn_core.typing import Config, Server, WorkerView


def _path(raw: object) -> str:
    if not isinstance(raw, str) or not raw.strip() or "\0" in raw:
        raise Expected("the path of a unix socket")
    return raw.strip().removeprefix("unix:")


SETTINGS = (
    Setting(
        name="control",
        section="Control",
        parse=optional(_path),
        default=None,
        help=(
            "The path of a unix socket on which the master takes the commands of cornctl, such as"
            " /run/shop/control.sock. Only the user that the master runs as, and root, may use it:"
            " its mode is 0600. Workers that run as another user cannot. There is no socket unless"
            " you name one: a process that can write to it can stop the server, and only you know a"
            " directory where no other user may put a socket in its place. While it or dashboard is"
            " set, workers also count how long requests take."
        ),
        flags=("--control",),
        metavar="PATH",
        default_text="no control socket",
    ),
    Setting(
        name="dashboard",
        section="Control",
        parse=optional(parse_listener),
        default=None,
        help=(
            "The address of a page that shows the server in a browser, such as 127.0.0.1:8001:"
            " workers, rates, latencies, requests in flight and the last messages of the master's"
            " log. It can be looked at and nothing else, but by any client that can connect, and"
            " it shows the paths of requests: choose an address that only you can reach."
        ),
        flags=("--dashboard",),
        metavar="ADDRESS",
        default_text="no dashboard",
    ),
)


class Plugin:
    """Passes what happens in the master on to the service, if there is one."""

    def __init__(self) -> None:
        self._service: Service | None = None

    @hookimpl
    def corn_settings(self) -> Iterable[Setting]:
        return SETTINGS

    @hookimpl
    def corn_instruments(self, config: Config) -> Iterable[Any]:
        if config.control is None and config.dashboard is None:
            return ()
        if self._service is None:
            from corn_control.service import Service  # lazy: for servers that are controlled

            self._service = Service()
        return (self._service.observer,)

    @hookimpl
    def when_ready(self, server: Server) -> None:
        if self._service is not None:
            self._service.open(server)

    @hookimpl
    def when_serving(self, server: Server) -> None:
        if self._service is not None:
            self._service.on_serving(server)

    @hookimpl
    def on_reload(self) -> None:
        if self._service is not None:
            self._service.on_reload()

    @hookimpl
    def reload_failed(self, server: Server, reason: str) -> None:
        if self._service is not None:
            self._service.on_failure(server, reason)

    @hookimpl
    def on_tick(self, server: Server) -> None:
        if self._service is not None:
            self._service.tend(server)

    @hookimpl
    def pre_fork(self, worker: WorkerView) -> None:
        if self._service is not None:
            self._service.shared.note(worker.slot.index)

    @hookimpl
    def child_ready(self) -> None:
        if self._service is not None:
            self._service.check()

    @hookimpl
    def child_exit(self) -> None:
        if self._service is not None:
            self._service.check()

    @hookimpl
    def post_fork(self) -> None:
        if self._service is not None:
            self._service.leave()

    @hookimpl
    def on_exit(self, server: Server) -> None:
        if self._service is not None:
            self._service.end(server)


plugin = Plugin()
"""The object that the entry point names; there is one server per process, and so one plugin."""
