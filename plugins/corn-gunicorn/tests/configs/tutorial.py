"""The settings of a tutorial: processors, a socket, and every hook of the example file."""

import multiprocessing

bind = "unix:shop.sock"
backlog = 2048
workers = min(2, multiprocessing.cpu_count() * 2 + 1)
worker_class = "sync"
worker_connections = 1000
timeout = 30
keepalive = 2
spew = False
daemon = False
raw_env = ["DJANGO_SECRET_KEY=something", "SPAM=eggs"]
pidfile = None
umask = 0o007
user = None
group = None
tmp_upload_dir = None
errorlog = "-"
loglevel = "info"
accesslog = "-"
access_log_format = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'
proc_name = None
pythonpath = None
sendfile = None
logger_class = "gunicorn.glogging.Logger"


def on_starting(server):
    server.log.info("Master is starting")


def when_ready(server):
    server.log.info("Server is ready. Spawning workers")


def pre_fork(server, worker):
    pass


def pre_exec(server):
    server.log.info("Forked child, re-executing.")


def post_fork(server, worker):
    server.log.info("Worker spawned (pid: %s)", worker.pid)


def worker_int(worker):
    import sys
    import threading
    import traceback

    id2name = {th.ident: th.name for th in threading.enumerate()}
    code = []
    for thread_id, stack in sys._current_frames().items():
        code.append(f"\n# Thread: {id2name.get(thread_id, '')}({thread_id})")
        for filename, lineno, name, _ in traceback.extract_stack(stack):
            code.append(f'File: "{filename}", line {lineno}, in {name}')
    worker.log.debug("\n".join(code))


def worker_abort(worker):
    worker.log.info("worker received SIGABRT signal")


def pre_request(worker, req):
    worker.log.debug("%s %s", req.method, req.path)


def post_request(worker, req, environ, resp):
    worker.log.debug("%s %s", req.path, resp.status)


def child_exit(server, worker):
    server.log.info("Worker %s is gone", worker.pid)


def nworkers_changed(server, new_value, old_value):
    server.log.info("%s -> %s", old_value, new_value)


def on_exit(server):
    server.log.info("Good bye")
