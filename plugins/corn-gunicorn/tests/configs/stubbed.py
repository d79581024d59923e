"""All logs through the root logger, as those do who use another logging library."""

import logging
import sys

from gunicorn.glogging import Logger

bind = "127.0.0.1:8000"
workers = 1
logging.basicConfig(format="root %(name)s %(message)s", level=logging.INFO, stream=sys.stderr)


class StubbedLogger(Logger):
    def setup(self, cfg):
        self.error_logger = logging.getLogger("gunicorn.error")
        self.error_logger.addHandler(logging.root.handlers[0])
        self.access_logger = logging.getLogger("gunicorn.access")
        self.access_logger.addHandler(logging.root.handlers[0])
        self.error_logger.setLevel("INFO")
        self.access_logger.setLevel("INFO")


logger_class = StubbedLogger
