"""Threads, metrics, and a logging configuration made from Gunicorn's defaults."""

import json
import logging
from copy import deepcopy

from gunicorn.glogging import CONFIG_DEFAULTS

bind = "127.0.0.1:0"
worker_class = "gthread"
threads = 4
workers = 1
statsd_host = "127.0.0.1:8125"
statsd_prefix = "shop"
dogstatsd_tags = "env:test"


class JsonFormatter(logging.Formatter):
    def format(self, record):
        return json.dumps({"name": record.name, "message": record.getMessage()})


logconfig_dict = deepcopy(CONFIG_DEFAULTS)
logconfig_dict["formatters"] = {"generic": {"()": JsonFormatter}}
logconfig_dict["loggers"]["gunicorn.error"]["propagate"] = False
logconfig_dict["loggers"]["gunicorn.access"]["propagate"] = False


def child_exit(server, worker):
    server.log.info("mark_process_dead(%s)", worker.pid)
