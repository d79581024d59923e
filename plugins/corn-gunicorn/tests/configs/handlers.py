"""A logger as recipes have it: its own handlers, and access lines from their atoms."""

import json
import logging

from gunicorn import glogging

bind = "127.0.0.1:0"
workers = 1
accesslog = "-"
errorlog = "-"


class NoHealth(logging.Filter):
    def filter(self, record):
        return record.args["U"] != "/health"


class AsJson(logging.Formatter):
    def format(self, record):
        return json.dumps({"path": record.args["U"], "query": record.args.get("q")})


class ShopLogger(glogging.Logger):
    def setup(self, cfg):
        super().setup(cfg)
        self._set_handler(self.error_log, cfg.errorlog, logging.Formatter("shop %(message)s"))
        self._set_handler(self.access_log, "access.json", AsJson())
        logging.getLogger("gunicorn.access").addFilter(NoHealth())


logger_class = ShopLogger


def when_ready(server):
    server.log.info("ready on %s", [each.getsockname() for each in server.LISTENERS])
    server.log.info("ready on %s", [each.sock.family for each in server.LISTENERS])
