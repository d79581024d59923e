"""Mistakes in a class that a configuration names are told in one line."""

from __future__ import annotations

from typing import Any

import pytest

from corn_core.assemble import registry_of
from corn_core.config import Config
from corn_core.errors import AppLoadError, ConfigError, CornError
from corn_core.extensions.manager import load_plugins
from corn_core.logs import Logger
from corn_core.settings.sources import resolve
from corn_core.validate import ValidLoader, let_worker_refuse, logger_of, worker_class_of
from corn_core.worker import Worker


@pytest.fixture(scope="module")
def config() -> Config:
    registry = registry_of(load_plugins())
    flags = ["-k", "mine", "--logger-class", "mine", "--app-loader", "mine"]
    return resolve(registry, flags, {}, "/").config


class Good(Worker):
    def run(self) -> None:
        """Serves nobody."""


class Misspelt(Worker):
    def rum(self) -> None: ...


class Unbound(Good):
    def check_config(self, config: Config) -> None: ...  # type: ignore[override]


class OneText(Good):
    ignored_settings = "threads"  # type: ignore[assignment]


class Capable(Good):
    capabilities = "keepalive"  # type: ignore[assignment]


class NearMiss(Good):
    ignored_settings = ("keepalive", "thread")


class Uvicorn:
    """As uvicorn's class is, where uvicorn is installed."""

    CONFIG_KWARGS: dict[str, str] = {}  # noqa: RUF012  # as uvicorn has it


Uvicorn.__module__, Uvicorn.__qualname__ = "uvicorn.workers", "UvicornWorker"


class Live(Uvicorn):
    pass


NO_WORKER = "is not a subclass of corn_core.worker.Worker"
DERIVE = "derive it from that class, or name an installed worker"
TAKE_OURS = (
    "uvicorn.workers.UvicornWorker runs in Gunicorn only, and corn's worker 'asgi' takes its"
    " place; what CONFIG_KWARGS has are settings, such as asgi_loop and asgi_lifespan"
)


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (dict, f"{NO_WORKER} (it is the class builtins.dict); {DERIVE}"),
        (pytest, f"{NO_WORKER} (it is of type module); {DERIVE}"),
        (Live, f"{NO_WORKER} (it is the class {__name__}.Live); {TAKE_OURS}"),
        (Misspelt, "has no method run(self), which is what serves requests"),
        (Unbound, "check_config is not a classmethod"),
        (OneText, "ignored_settings is the text 'threads', not a list of names"),
        (Capable, "capabilities is the text 'keepalive', not a list of names"),
        (NearMiss, "'thread' in ignored_settings is not a setting; did you mean 'threads'?"),
    ],
)
def test_worker_class_that_cannot_work(config: Config, found: Any, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        worker_class_of(found, config)
    assert str(caught.value).replace("'mine':", "'mine'") == f"worker class 'mine' {fault}"


class OfAnother(Good):
    ignored_settings = ("setting_of_a_plugin_that_is_not_there",)


def test_worker_class_that_works(config: Config) -> None:
    assert worker_class_of(OfAnother, config) is OfAnother


class Broken(Good):
    @classmethod
    def check_config(cls, config: Config) -> None:
        config.no_such_setting  # noqa: B018


def test_check_that_fails_says_where(config: Config) -> None:
    with pytest.raises(ConfigError, match="check_config of worker class 'mine' failed: ") as caught:
        let_worker_refuse(Broken, config)
    assert "no setting 'no_such_setting'" in str(caught.value)


class Refusing(Good):
    @classmethod
    def check_config(cls, config: Config) -> None:
        raise ConfigError("not on a Sunday")


def test_refusal_is_shown_as_it_is(config: Config) -> None:
    with pytest.raises(ConfigError, match=r"^not on a Sunday$"):
        let_worker_refuse(Refusing, config)


class Glogging:
    """As Gunicorn's class is, where Gunicorn is installed."""

    def __init__(self, cfg: Config) -> None: ...


Glogging.__module__, Glogging.__qualname__ = "gunicorn.glogging", "Logger"


class Stubbed(Logger):
    def setup(self, config: Config) -> None: ...


@pytest.mark.parametrize(
    ("logger_class", "advice"),
    [
        (Glogging, "of the Gunicorn that is installed; pip uninstall gunicorn, and corn-gunicorn"),
        (Stubbed, "has no access_enabled; its method setup has to call super().setup(config)"),
    ],
)
def test_logger_class_says_what_to_do(config: Config, logger_class: Any, advice: str) -> None:
    with pytest.raises(ConfigError) as caught:
        logger_of(logger_class, config)
    assert advice in str(caught.value)


class HalfALogger:
    def __init__(self, config: Config) -> None:
        self.debug = self.info = self.warning = self.error = print


def test_logger_that_is_none(config: Config) -> None:
    with pytest.raises(ConfigError) as caught:
        logger_of(HalfALogger, config)
    message = str(caught.value)
    assert message.startswith("logger class 'mine' has no critical, exception, log, access, ")
    assert message.endswith(
        "access_enabled; derive it from corn_core.plugin.SimpleLogger, which has all of them"
    )


def test_logger_that_cannot_be_made(config: Config) -> None:
    with pytest.raises(ConfigError, match="logger class 'mine' failed: TypeError: "):
        logger_of(lambda: None, config)  # type: ignore[arg-type, misc]


def test_logger_of_the_core_has_all_that_is_asked_for(config: Config) -> None:
    assert isinstance(logger_of(Logger, config), Logger)


class Nameless:
    def load(self, config: Config) -> None: ...


class Vague(Nameless):
    def name(self, config: Config) -> None: ...


class Named(Nameless):
    def name(self, config: Config) -> str:
        return "it"


def test_loader_that_is_none(config: Config) -> None:
    with pytest.raises(ConfigError, match=r"^app loader 'mine' has no name$"):
        ValidLoader(Nameless, config)
    with pytest.raises(ConfigError, match=r"^app loader 'mine' failed: ZeroDivisionError: .*line"):
        ValidLoader(lambda: 1 // 0, config)


def test_loader_that_gives_nothing(config: Config) -> None:
    with pytest.raises(CornError, match="app loader 'mine': name returned None, not a text"):
        ValidLoader(Vague, config).name(config)
    loader = ValidLoader(Named, config)
    assert loader.name(config) == "it"
    with pytest.raises(AppLoadError, match="load returned None instead of an application"):
        loader.load(config)
