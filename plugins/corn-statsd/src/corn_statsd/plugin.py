"""The plugin: its settings, and the instrument that ``statsd_host`` turns on.

Every server with the plugin installed imports this module; only those that measure import more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from corn_core.plugin import hookimpl
from corn_statsd.settings import SETTINGS

if TYPE_CHECKING:
    from corn_core.plugin import Setting
    from corn_core.typing import Config
    from corn_statsd.instrument import Instrument

_instrument: Instrument | None = None
# One instrument per process: reloads change what it measures, and may change it back.


@hookimpl
def corn_settings() -> tuple[Setting, ...]:
    return SETTINGS


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
