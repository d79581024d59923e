"""The plugin: its settings, and the instrument that ``statsd_host`` turns on.

Every server with the plugin installed imports this module; only those that measure import more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corn_core.plugin import hookimpl
from corn_statsd.settings import SETTINGS

if TYPE_CHECKING:
    from corn_core.plugin import Setting
    from corn_core.typing import Config
    from corn_statsd.instrument import Instrument

FOREIGN_LOGGERS = ("gunicorn.instrument.statsd.Statsd", "gunicorn.instrument.statsd:Statsd")
"""The name of the logger class ``statsd`` in Gunicorn's configurations."""

_instrument: Instrument | None = None
# One instrument per process: reloads change what it measures, and may change it back.


@hookimpl
def corn_settings() -> tuple[Setting, ...]:
    return SETTINGS


@hookimpl
def corn_logger_class(name: Any) -> Any:
    if name not in FOREIGN_LOGGERS:
        return None
    from corn_statsd.logger import StatsdLogger  # lazy: most servers have another logger

    return StatsdLogger


@hookimpl
def corn_instruments(config: Config) -> tuple[Instrument, ...]:
    global _instrument
    if not config.statsd_host:
        if _instrument is not None:
            _instrument.close()
        return ()
    if _instrument is None:
        from corn_statsd.instrument import Instrument  # lazy: most servers measure nothing

        _instrument = Instrument()
    return (_instrument,)
