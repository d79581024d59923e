"""Stands for ``gunicorn.workers.ggevent``."""

from corn_gunicorn.absent import absent, worker

GeventWorker = worker("gevent")
GeventPyWSGIWorker = worker("gevent_pywsgi")

_PYWSGI = "corn's gevent worker parses requests itself; gevent's pywsgi has no part in it"

__getattr__ = absent(__name__, {"PyWSGIHandler": _PYWSGI, "PyWSGIServer": _PYWSGI})

__all__ = ["GeventPyWSGIWorker", "GeventWorker"]
