"""A config file: `corn --config examples/corn.conf.py --chdir examples hello:app`.

In the working directory, a file of this name is read without being asked for.
It is Python: a name that is a setting sets it, a function that has the name of
a hook is called at that moment, and other names are yours.
"""

import os

bind = ["127.0.0.1:8000"]
workers = min(4, (os.cpu_count() or 1) * 2 + 1)

timeout = 30
graceful_timeout = 30

# A worker is replaced after about so many requests, without losing any.
max_requests = 10_000
max_requests_jitter = 1_000

accesslog = "-"
loglevel = "info"


def when_ready(server):
    """Called in the master, when it listens."""
    server.log.info("ready for requests")


def post_fork(server, worker):
    """Called in each new worker, before it loads the application."""
    worker.log.info("worker %s was born", worker.pid)


def worker_exit(server, worker):
    """Called in a worker that is about to end."""
    worker.log.info("worker %s says goodbye", worker.pid)
