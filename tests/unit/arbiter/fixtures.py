"""A configuration, a logger and a loaded: real ones, or as little as the part at hand reads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from corn_core.arbiter.server import LoadedConfig
from corn_core.arbiter.settings import SETTINGS
from corn_core.config import DEFAULT, Config
from corn_core.interfaces import Request, Response, WSGIApp
from corn_core.net import listener
from corn_core.process import pidfile, privileges
from corn_core.setting import Setting, boolean, string
from corn_core.worker import Worker

_OF_OTHERS = (
    Setting("preload_app", "", boolean, False, ""),
    Setting("default_proc_name", "", string, "module:app", ""),
)


def config(**values: object) -> Config:
    """Make a configuration of the defaults of what the master reads, and these values."""
    settings = {
        setting.name: setting
        for setting in (
            *SETTINGS,
            *listener.SETTINGS,
            *pidfile.SETTINGS,
            *privileges.SETTINGS,
            *_OF_OTHERS,
        )
    }
    defaults = {name: setting.default for name, setting in settings.items()}
    return Config(settings, defaults, dict.fromkeys(settings, DEFAULT)).replace(**values)


class Lines:
    """A logger that keeps what it is given."""

    access_enabled = True

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.requests: list[tuple[Response, Request | None, timedelta]] = []

    def log(self, lvl: Any, msg: str, *args: Any, **kwargs: Any) -> None:
        self.lines.append(f"{lvl}: {msg % args if args else msg}")

    def debug(self, msg: str, *args: Any, **kwargs: Any) -> None:
        self.log("debug", msg, *args)

    def info(self, msg: str, *args: Any, **kwargs: Any) -> None:
        self.log("info", msg, *args)

    def warning(self, msg: str, *args: Any, **kwargs: Any) -> None:
        self.log("warning", msg, *args)

    def error(self, msg: str, *args: Any, **kwargs: Any) -> None:
        self.log("error", msg, *args)

    critical = exception = error

    def access(
        self,
        resp: Response,
        req: Request | None,
        environ: Mapping[str, Any],
        request_time: timedelta,
    ) -> None:
        self.requests.append((resp, req, request_time))

    def setup(self, config: Any) -> None:
        """There is nothing to set up."""

    def reopen_files(self) -> None:
        """There are none."""

    def close_on_exec(self) -> None:
        """There is nothing to close."""


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    raise AssertionError("it is not called")


def loaded(log: Lines | None = None, app: WSGIApp = app, **values: object) -> LoadedConfig:
    return LoadedConfig(config(**values), log or Lines(), Worker, lambda: app)
