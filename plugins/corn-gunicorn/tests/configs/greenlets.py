"""A project on greenlets, with a logger of its own and recycling."""

import gunicorn
from gunicorn.glogging import Logger

bind = ["127.0.0.1:0"]
worker_class = "gevent"
worker_connections = 500
workers = 1
preload_app = True
max_requests = 1000
max_requests_jitter = 50
forwarded_allow_ips = "*"
limit_request_line = 0
limit_request_field_size = 0
accesslog = "-"


class HealthFilter:
    def filter(self, record):
        return "/health" not in record.getMessage()


class QuietLogger(Logger):
    def setup(self, cfg):
        super().setup(cfg)
        self.access_log.addFilter(HealthFilter())

    def access(self, resp, req, environ, request_time):
        if req.path != "/ping":
            super().access(resp, req, environ, request_time)


logger_class = QuietLogger


def post_fork(server, worker):
    server.log.info("%s on %s", gunicorn.SERVER_SOFTWARE, worker)
