"""The worker hello: one request at a time, on connections that stay open."""

from corn_core.worker import SelectorDriver, Worker, client_limits


class HelloWorker(Worker):
    capabilities = frozenset({"keepalive"})
    ignored_settings = ("threads",)

    def run(self):
        SelectorDriver(self, client_limits(self.cfg, self.cfg.keepalive)).run()
