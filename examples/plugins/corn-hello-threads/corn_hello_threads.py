"""The worker hello-threads: a thread for each request, beside the loop that reads them."""

import os
from collections import deque
from threading import Thread

from corn_core.worker import SelectorDriver, Worker, client_limits


class ThreadsDriver(SelectorDriver):
    """Its loop reads requests; each is answered in a thread of its own."""

    def __init__(self, worker, limits):
        super().__init__(worker, limits)
        self.answered = deque()
        self.bell, self.rope = os.pipe()

    def open(self):
        super().open()
        self.watch_fd(self.bell, self.take_back)

    def dispatch(self, connection, request, body):
        self.hold(connection)
        # Daemons do not keep a process from ending that was told to quit.
        Thread(target=self.answer, args=(connection, request, body), daemon=True).start()

    def answer(self, connection, request, body):
        """Answer a request, in a thread: with the connection as a sink, and nothing more."""
        keep = self.limits.keepalive > 0 and self.worker.alive
        try:
            keep = self.cycle.run(request, body, connection, connection, keep)
        except BaseException:
            # A defect, of a logger perhaps: half a response must not look whole.
            keep = False
            connection.abort()
            raise
        finally:
            self.answered.append((connection, keep))
            os.write(self.rope, b"!")

    def take_back(self):
        """Go on with the connections whose requests have been answered, in the loop."""
        os.read(self.bell, 4096)
        while self.answered:
            connection, keep = self.answered.popleft()
            self.release(connection)
            self.worker.request_done()
            self.guard(connection, connection.finish, keep)

    def notify(self):
        """Do nothing: a thread that waits for its client does not show that the loop is alive."""


class HelloThreadsWorker(Worker):
    multithread = True
    interrupts = ()
    capabilities = frozenset({"keepalive", "concurrency", "long-requests"})
    ignored_settings = ("threads",)

    def run(self):
        ThreadsDriver(self, client_limits(self.cfg, self.cfg.keepalive)).run()
