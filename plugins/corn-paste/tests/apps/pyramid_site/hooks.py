"""Hook functions, in a module of their own: the master imports it, and it stays imported."""


def born(worker):
    worker.log.info("born: %s", worker.cfg.proc_name)
