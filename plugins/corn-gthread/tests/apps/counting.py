"""A config file whose master says every second what its workers are at."""


def on_tick(server):
    for worker in server.snapshot():
        server.log.info("Now: %s in flight, %s connections.", worker.in_flight, worker.connections)
