"""Stands for ``gunicorn.instrument.statsd``."""

try:
    from corn_statsd.logger import StatsdLogger as Statsd
except ModuleNotFoundError as error:
    raise ImportError("gunicorn.instrument.statsd: pip install corn-statsd") from error

__all__ = ["Statsd"]
