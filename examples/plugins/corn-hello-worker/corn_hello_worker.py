"""The worker hello: one request at a time, on connections that stay open."""

from corn_core.serving.selector import SelectorDriver
from corn_core.serving.settings import client_limits
from corn_core.worker import Worker


class HelloWorker(Worker):
    capabilities = frozenset({"keepalive"})
    ignored_settings = ("threads",)

    def run(self):
        SelectorDriver(self, client_limits(self.cfg, self.cfg.keepalive)).run()
