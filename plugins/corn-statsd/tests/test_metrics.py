"""The metrics: requests, gauges, messages, and metrics in log calls."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from corn_core.config import Config
from corn_core.logs import SETTINGS
from corn_statsd.client import StatsdClient
from corn_statsd.gauges import PERIOD, Gauges, backlog_name, measure
from corn_statsd.logger import StatsdLogger
from corn_statsd.logs import LogMeter, attach, detach
from corn_statsd.requests import RequestMeter


class Wire:
    """In the place of a transport: what a client has sent."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, data: bytes) -> None:
        self.sent.append(data.decode())

    def take(self) -> list[str]:
        sent, self.sent = self.sent, []
        return sent


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def client(wire: Wire) -> StatsdClient:
    return StatsdClient(wire)  # type: ignore[arg-type]


# -- requests ------------------------------------------------------------------------


def answer(status: str, duration: float = 0.0) -> Any:
    return SimpleNamespace(status=status, duration=duration)


def test_request_is_one_datagram(client: StatsdClient, wire: Wire) -> None:
    meter = RequestMeter(client)
    for _ in range(2):
        meter.answered(answer("404 Not Found", 1.2345678))
        assert wire.take() == [
            "corn.requests:1|c\ncorn.request.status.404:1|c\ncorn.request.duration:1234.568|ms"
        ]


def test_tags_are_on_every_line(wire: Wire) -> None:
    client = StatsdClient(wire, "x", "rate:10%,b")  # type: ignore[arg-type]
    RequestMeter(client).answered(answer("200 OK", 0.0))
    assert wire.take() == [
        "x.corn.requests:1|c|#rate:10%,b\nx.corn.request.status.200:1|c|#rate:10%,b\n"
        "x.corn.request.duration:0.000|ms|#rate:10%,b"
    ]


@pytest.mark.parametrize("status", ["", "abc", "1²3 x"])
def test_request_without_a_status_counts(client: StatsdClient, wire: Wire, status: str) -> None:
    RequestMeter(client).answered(answer(status))
    assert wire.take() == ["corn.requests:1|c\ncorn.request.duration:0.000|ms"]


def test_request_without_a_response_counts(client: StatsdClient, wire: Wire) -> None:
    nothing: Any = None
    RequestMeter(client).answered(nothing)
    assert wire.take() == ["corn.requests:1|c\ncorn.request.duration:0.000|ms"]


def test_refused_request_has_no_duration(client: StatsdClient, wire: Wire) -> None:
    RequestMeter(client).refused(answer("431 Request Header Fields Too Large"))
    assert wire.take() == ["corn.requests:1|c\ncorn.request.status.431:1|c"]


def test_names_of_gunicorn_can_be_kept(wire: Wire) -> None:
    client = StatsdClient(wire, "shop", names="gunicorn")  # type: ignore[arg-type]
    RequestMeter(client).refused(answer("404 Not Found"))
    client.incr("corner.sold")
    with client.pipeline() as packet:
        packet.gauge("corn.workers", 3)
    assert wire.take() == [
        "shop.gunicorn.requests:1|c\nshop.gunicorn.request.status.404:1|c",
        "shop.corner.sold:1|c",
        "shop.gunicorn.workers:3|g",
    ]


# -- gauges --------------------------------------------------------------------------


def test_gauges_are_sent_on_change_and_regularly() -> None:
    gauges = Gauges()
    assert gauges.due({"a": 0, "b": 2}, 5.0) == {"a": 0, "b": 2}
    assert gauges.due({"a": 0, "b": 2}, 6.0) == {}
    assert gauges.due({"a": 1, "b": 2}, 7.0) == {"a": 1}
    assert gauges.due({"a": 0, "b": 2}, 8.0) == {"a": 0}
    assert gauges.due({"a": 0, "b": 2}, 5.0 + PERIOD) == {"a": 0, "b": 2}
    assert gauges.due({"a": 0, "b": 2}, 6.0 + PERIOD) == {}


def test_gauge_that_is_gone_becomes_zero_once() -> None:
    gauges = Gauges()
    gauges.due({"a": 3, "b": 0}, 0.0)
    assert gauges.due({}, 1.0) == {"a": 0}
    assert gauges.due({}, PERIOD) == {}


def test_what_the_gauges_say() -> None:
    workers: Any = [SimpleNamespace(in_flight=count) for count in (0, 3, 1)]
    listeners: Any = [
        SimpleNamespace(url="http://127.0.0.1:80", queued=lambda: 7),
        SimpleNamespace(url="unix:/run/x", queued=lambda: None),
    ]
    assert measure(workers, listeners) == {
        "corn.workers": 3,
        "corn.workers.busy": 2,
        "corn.requests.in_flight": 4,
        "corn.backlog.127_0_0_1_80": 7,
    }


def test_backlogs_have_names_of_one_part() -> None:
    assert backlog_name("http://[2001:db8::1]:80") == "corn.backlog.2001_db8_1_80"
    assert backlog_name("unix:/run/corn.sock") == "corn.backlog.unix_run_corn_sock"


# -- logs ----------------------------------------------------------------------------


@pytest.fixture
def error_log() -> Iterator[logging.Logger]:
    """The server's error log, without the handlers that tests before have left there."""
    log = logging.getLogger("corn.error")
    before, propagate, log.handlers, log.propagate = log.handlers, log.propagate, [], False
    yield log
    for handler in log.handlers:
        handler.close()
    log.handlers, log.propagate = before, propagate


def config(**values: object) -> Config:
    settings = {setting.name: setting for setting in SETTINGS}
    defaults = {setting.name: setting.default for setting in SETTINGS}
    return Config(settings, defaults, {}).replace(errorlog="/dev/null", **values)


def counted(client: StatsdClient, log: Any) -> LogMeter:
    meter = LogMeter(lambda: client)
    assert attach(meter, lambda: client, log)
    return meter


def log_everything(log: Any) -> None:
    log.debug("no")
    log.info("no")
    log.warning("warned %s", "of it")
    log.error("failed")
    log.critical("fatal")
    try:
        raise ValueError
    except ValueError:
        log.exception("excepted")
    log.log(logging.ERROR, "failed")
    log.log("warning", "warned")
    log.log(logging.INFO, "no")


COUNTED = [
    *("corn.log.warning:1|c", "corn.log.error:1|c", "corn.log.critical:1|c"),
    *("corn.log.exception:1|c", "corn.log.error:1|c", "corn.log.warning:1|c"),
]


def test_text_of_an_application_is_not_counted(
    client: StatsdClient, wire: Wire, error_log: logging.Logger
) -> None:
    logger = StatsdLogger(config())
    counted(client, logger)
    logger.wsgi_errors("Traceback (most recent call last):\n")
    logger.error("after it")
    assert wire.take() == ["corn.log.error:1|c"]


def test_messages_are_counted(client: StatsdClient, wire: Wire, error_log: logging.Logger) -> None:
    logger = StatsdLogger(config())
    meter = counted(client, logger)
    log_everything(logger)
    assert wire.take() == COUNTED
    # Attached again, as after a reload; and what others write to the same log counts as well.
    assert attach(meter, lambda: client, logger)
    logging.getLogger("gunicorn.error").error("failed")
    assert wire.take() == ["corn.log.error:1|c"]
    detach(meter, logger)
    logger.error("failed")
    assert wire.take() == []


class Foreign:
    """A logger that has nothing to do with the standard library's."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def log(self, lvl: Any, msg: str, *args: Any, **kwargs: Any) -> None:
        self.said.append(msg % args)

    def debug(self, msg: str, *args: Any, **kwargs: Any) -> None:
        self.log(logging.DEBUG, msg, *args)

    def info(self, msg: str, *args: Any, **kwargs: Any) -> None:
        self.log(logging.INFO, msg, *args)

    def warning(self, msg: str, *args: Any, **kwargs: Any) -> None:
        self.log(logging.WARNING, msg, *args)

    def error(self, msg: str, *args: Any, **kwargs: Any) -> None:
        self.log(logging.ERROR, msg, *args)

    def critical(self, msg: str, *args: Any, **kwargs: Any) -> None:
        self.log(logging.CRITICAL, msg, *args)

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        self.error(msg, *args, exc_info=True)


def test_calls_of_a_foreign_logger_are_counted(client: StatsdClient, wire: Wire) -> None:
    logger = Foreign()
    counted(client, logger)
    log_everything(logger)
    assert wire.take() == COUNTED
    assert logger.said == [
        *("no", "no", "warned of it", "failed", "fatal", "excepted", "failed", "warned", "no")
    ]


def test_foreign_logger_that_cannot_be_counted_is_left_as_it_is(client: StatsdClient) -> None:
    class Closed(Foreign):
        __slots__ = ()

        def __setattr__(self, name: str, value: object) -> None:
            if name != "said":
                raise AttributeError(name)
            super().__setattr__(name, value)

    logger = Closed()
    assert not attach(LogMeter(lambda: client), lambda: client, logger)  # type: ignore[arg-type]
    logger.error("failed")
    assert logger.said == ["failed"]


def metric(name: object, value: object, kind: object, **others: object) -> dict[str, object]:
    return {"metric": name, "value": value, "mtype": kind, **others}


@pytest.fixture
def logger(client: StatsdClient, error_log: logging.Logger) -> StatsdLogger:
    """A logger with all that an instrument puts on it."""
    made = StatsdLogger(config(loglevel="warning"))
    made.client = lambda: client
    counted(client, made)
    return made


@pytest.mark.parametrize("method", ["debug", "info", "log"])
def test_call_may_be_for_a_metric_alone(logger: StatsdLogger, wire: Wire, method: str) -> None:
    call = getattr(logger, method)
    arguments = (logging.INFO, "") if method == "log" else ("",)
    call(*arguments, extra=metric("shop.sold", 3, "counter"))
    call(*arguments, extra=metric("shop.stock", 0, "gauge"))
    call(*arguments, extra=metric("shop.took", 1.5, "timer"))
    call(*arguments, extra=metric("shop.size", 2, "histogram"))
    assert wire.take() == [
        *("shop.sold:3|c", "shop.stock:0|g", "shop.took:1.500000|ms", "shop.size:2.000000|ms")
    ]


def test_message_beside_a_metric_is_logged_and_the_metric_sent_once(
    logger: StatsdLogger, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    logger.error_log.addHandler(caplog.handler)
    logger.error("sold %s", "it", extra=metric("shop.sold", 1, "counter", order=17))
    assert sorted(wire.take()) == ["corn.log.error:1|c", "shop.sold:1|c"]
    (record,) = caplog.records
    assert record.getMessage() == "sold it"
    assert (record.order, hasattr(record, "metric")) == (17, False)  # type: ignore[attr-defined]


def test_application_may_send_metrics_through_the_log(logger: StatsdLogger, wire: Wire) -> None:
    logging.getLogger("gunicorn.error").warning("sold", extra=metric("shop.sold", 1, "counter"))
    assert sorted(wire.take()) == ["corn.log.warning:1|c", "shop.sold:1|c"]


@pytest.mark.parametrize(
    "extra",
    [
        *(
            metric("a", "1", "gauge"),
            metric("a", True, "gauge"),
            metric("a", float("nan"), "gauge"),
        ),
        *(metric("a", 1, "set"), metric("", 1, "counter"), metric(7, 1, "counter")),
    ],
)
def test_metric_that_cannot_be_sent_is_reported(
    logger: StatsdLogger, wire: Wire, caplog: pytest.LogCaptureFixture, extra: dict[str, object]
) -> None:
    logger.error_log.addHandler(caplog.handler)
    logger.info("", extra=extra)
    assert wire.take() == ["corn.log.warning:1|c"]
    assert caplog.records[0].getMessage().startswith("Not sent to statsd: the ")


@pytest.mark.parametrize("extra", [{}, {"metric": "a"}, metric("a", None, "gauge"), {"order": 1}])
def test_other_extras_are_none_of_its_business(
    logger: StatsdLogger, wire: Wire, caplog: pytest.LogCaptureFixture, extra: dict[str, object]
) -> None:
    logger.error_log.addHandler(caplog.handler)
    logger.warning("something", extra=extra)
    assert wire.take() == ["corn.log.warning:1|c"]
    assert len(caplog.records) == 1


def test_logger_works_without_an_instrument(
    error_log: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    error_log.addHandler(caplog.handler)
    logger = StatsdLogger(config())
    logger.info("", extra=metric("a", 1, "counter"))
    assert [record.getMessage() for record in caplog.records] == [
        "The logger class statsd sends nothing without statsd_host"
    ]
