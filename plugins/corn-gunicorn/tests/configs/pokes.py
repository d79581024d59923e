"""Hooks that reach into the objects of the server, and names that are not settings."""

import gunicorn
from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker

gunicorn.SERVER_SOFTWARE = "undisclosed"

bind = "127.0.0.1:0"
preload = True
worker = 3
log_level = "debug"
pre_frok = None


def on_starting(server: Arbiter) -> None:
    server.log.info("%s of %s, next %s", server.pid, server.worker_class, server.worker_age)


def post_fork(server: Arbiter, worker: Worker) -> None:
    worker.tmp.notify()
    server.START_CTX["cwd"] = "/"


def post_worker_init(worker: Worker) -> None:
    worker.log.info("%s %s", worker.wsgi, worker.app.callable)


def when_ready(server: Arbiter) -> None:
    server.spawn_worker()
