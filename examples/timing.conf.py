"""Times requests with hooks: `corn -c examples/timing.conf.py --chdir examples hello:app`.

The sync worker handles one request at a time, so one variable is enough to remember its start.
"""

from time import perf_counter

started = 0.0
slowest = 0.0


def pre_request(worker, req):
    """Called in a worker, when a request has been read."""
    global started
    started = perf_counter()


def post_request(worker, req, environ, resp):
    """Called in a worker, when a request has been answered."""
    global slowest
    took = perf_counter() - started
    if took > slowest:
        slowest = took
        worker.log.info("slowest so far: %s %s, %.1f ms", req.method, req.path, took * 1000)


def worker_exit(server, worker):
    """Called in a worker that is about to end."""
    worker.log.info("served %s requests", worker.nr)


def child_exit(server, worker, status):
    """Called in the master, when a worker has ended."""
    server.log.info("worker %s ended with %s", worker.pid, status)
