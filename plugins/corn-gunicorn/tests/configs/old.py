"""A file of the days of 19.x, or older."""

bind = "127.0.0.1:0"
workers = 1
worker_class = "egg:gunicorn#sync"
x_forwarded_for_header = "X-FORWARDED-FOR"
secure_scheme_headers = {"X-FORWARDED-PROTOCOL": "ssl", "X-FORWARDED-PROTO": "https"}
debug = False
spew = False
django_settings = None


def post_request(worker, req):
    worker.log.debug("%s", req.uri)


def worker_exit(server, worker):
    server.log.info("%s", worker.nr)
