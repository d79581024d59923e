"""A config file whose hook functions write down that they were called: ``recording`` reads it.

The environment variable RECORDING names the file. Names of arguments are the config file's own:
they are positional.
"""

from __future__ import annotations

import json
import os
from typing import Any


def record(hook: str, **facts: object) -> None:
    line = json.dumps({"hook": hook, "pid": os.getpid(), **facts}) + "\n"
    fd = os.open(os.environ["RECORDING"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    # One write of one line: what several processes and threads append does not mix.
    os.write(fd, line.encode())
    os.close(fd)


def on_starting(arbiter: Any) -> None:
    record("on_starting", server=arbiter.pid)


def on_reload(arbiter: Any) -> None:
    record("on_reload", workers=arbiter.cfg.workers)


def when_ready(arbiter: Any) -> None:
    record("when_ready", number=arbiter.num_workers)


def pre_fork(arbiter: Any, w: Any) -> None:
    record("pre_fork", age=w.age)


def post_fork(arbiter: Any, w: Any) -> None:
    record("post_fork", age=w.age, worker=w.pid, server=arbiter.pid)


def post_worker_init(w: Any) -> None:
    record("post_worker_init", app=callable(w.app))


def worker_int(w: Any) -> None:
    record("worker_int", worker=w.pid)


def worker_abort(w: Any) -> None:
    record("worker_abort", worker=w.pid)


def pre_request(w: Any, r: Any) -> None:
    headers = dict(r.headers)
    record("pre_request", method=r.method, path=r.path, query=r.query, uri=r.uri, headers=headers)
    if "X-REFUSE" in headers:
        raise RuntimeError("pre_request refuses")


def post_request(w: Any, r: Any, env: Any, res: Any) -> None:
    record(
        "post_request",
        path=r.path,
        status=res and res.status,
        environ=len(env) > 0,
        timed=res is not None and res.duration >= 0,
    )


def request_refused(w: Any, r: Any, res: Any) -> None:
    record("request_refused", status=res.status_code)


def child_exit(arbiter: Any, w: Any, status: int, reason: str) -> None:
    record("child_exit", worker=w.pid, status=status, reason=reason)


def worker_exit(arbiter: Any, w: Any) -> None:
    record("worker_exit", worker=w.pid)


def nworkers_changed(arbiter: Any, new: int, old: int | None) -> None:
    record("nworkers_changed", new=new, old=old)


def on_exit(arbiter: Any) -> None:
    record("on_exit", server=arbiter.pid)
