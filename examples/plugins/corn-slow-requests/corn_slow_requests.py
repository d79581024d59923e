"""Logs requests that take long: when they end, and while they last."""

from time import monotonic

from corn_core.plugin import ConfigError, Setting, hookimpl, optional, seconds


@hookimpl
def corn_settings():
    return (
        Setting(
            name="slow_request",
            section="Slow Requests",
            parse=optional(seconds),
            default=None,
            help="The seconds after which a request is logged as slow. Nothing is by default.",
            flags=("--slow-request",),
            metavar="SECONDS",
        ),
    )


@hookimpl
def corn_configured(config):
    if config.slow_request and 0 < config.timeout <= config.slow_request:
        origin = config.origin("slow_request")
        raise ConfigError(f"slow_request ({origin}): no request lives that long, see timeout")


@hookimpl
def corn_instruments(config):
    return [] if config.slow_request is None else [SlowRequests(config.slow_request)]


class SlowRequests:
    def __init__(self, limit):
        self.limit = limit
        self.told = set()

    @hookimpl
    def post_request(self, worker, req, resp):
        """Log a slow request; called in the worker, after each response."""
        if resp.duration >= self.limit:
            worker.log.warning("%s %s took %.3f seconds", req.method, req.uri, resp.duration)

    @hookimpl
    def on_tick(self, server):
        """Log requests that still run; called in the master, once a second."""
        begun = monotonic() - self.limit
        slow = {
            (worker.pid, worker.request_started): worker
            for worker in server.snapshot()
            if 0.0 < worker.request_started <= begun
        }
        for key in slow.keys() - self.told:
            worker = slow[key]
            server.log.warning(
                "%s %s still runs in worker %s", worker.method, worker.path, worker.pid
            )
        self.told = set(slow)
