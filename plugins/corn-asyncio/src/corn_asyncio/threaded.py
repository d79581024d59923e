"""Calling the application in a pool of threads, so that it never holds the event loop.

Who owns a connection when is said in ``shared``.

The descriptor of a lent connection stays in the poller. As a rule its client waits for the
response and sends nothing, so that most requests need no system call for taking it out and
putting it back; if the client does send something, it is taken out then. A thread that has
finished wakes the loop only when there is something to do for it: else the next request on that
connection does.
"""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from corn_asyncio.driver import AsyncioDriver
from corn_asyncio.shared import SharedConnection
from corn_asyncio.threadpool import PATIENCE, ThreadPool
from corn_core.worker import READABLE, Connection, Stream

if TYPE_CHECKING:
    from corn_core.http import Request
    from corn_core.worker import ClientLimits, Host, RequestBody

REST = 0.001
"""Seconds for which the loop leaves the interpreter to the threads while requests wait for them."""


class Task(NamedTuple):
    """A request for a thread, with the connection that is lent to it."""

    connection: SharedConnection
    request: Request
    body: RequestBody


class ThreadPoolDriver(AsyncioDriver):
    """Runs connections in an event loop, and the application in other threads.

    :param threads: the most requests that are in the application at once.
    """

    connection_class: type[Connection] = SharedConnection

    def __init__(self, worker: Host, limits: ClientLimits, threads: int) -> None:
        super().__init__(worker, limits)
        self._pool: ThreadPool[Task] = ThreadPool(threads, self._answer, self._no_thread)
        # What threads leave to the loop; appending and taking are one step each.
        self._finished: deque[tuple[SharedConnection, bool]] = deque()
        self._to_flush: deque[SharedConnection] = deque()
        self._woken = False
        self._error: BaseException | None = None

    # -- the loop ----------------------------------------------------------------------

    def step(self) -> None:
        self._take_back()
        super().step()
        # A thread that finished before its connection was suspended in this step did not see a
        # reason to wake the loop.
        self._take_back()
        if self._pool.waiting:
            self._hand_out()

    def upload_turns(self, others: int) -> int:
        """Read little while requests wait for threads: each upload would put one more before those
        that come next."""
        return 1 if self._pool.waiting else super().upload_turns(others)

    def _hand_out(self) -> None:
        if self._pool.hand_out(monotonic()):
            self.loop.call_later(PATIENCE, self._judge)
        self._pool.rest(REST)

    def _judge(self) -> None:
        if self._pool.judge():
            self.loop.call_later(PATIENCE, self._judge)

    def _no_thread(self, error: RuntimeError) -> None:
        self.worker.log.error("No thread could be started for a request: %s", error)

    def on_end(self) -> None:
        """End the threads, too."""
        # As a rule all are idle. They are not to be in the way of the interpreter's end.
        self._pool.close(REST * 100)
        super().on_end()

    def _take_back(self) -> None:
        """Own again the connections that threads have finished with."""
        self._woken = False
        if self._error is not None:
            raise self._error
        to_flush, finished = self._to_flush, self._finished
        while to_flush:
            to_flush.popleft().start_flushing()
        while finished:
            connection, keep = finished.popleft()
            connection.take_back()
            self.guard(connection, connection.finish, keep)
        if self.draining:
            # Their clients were told that they may send another request, before the stop.
            self.hurry_idle()

    # -- for connections ---------------------------------------------------------------

    def dispatch(self, connection: Stream, request: Request, body: RequestBody) -> None:
        """Lend a connection to the thread that will answer its request."""
        assert isinstance(connection, SharedConnection)
        connection.set_aside()
        # It is to be counted, though the poller may not know it yet.
        self.connections[connection.fd] = connection
        self._pool.add(Task(connection, request, body))

    def suspend(self, connection: SharedConnection) -> None:
        """Report no events of a connection that is lent."""
        self.poller.unregister(connection.fd)

    # -- in a thread -------------------------------------------------------------------

    def _answer(self, task: Task) -> None:
        connection, request, body = task
        keep = self.limits.keepalive > 0 and self.worker.alive
        try:
            keep = self.cycle.run(request, body, connection, connection, keep)
        except BaseException as error:
            # What the cycle lets pass is meant to end the worker.
            self._error = error
            self.wake()
            return
        self.worker.request_done()
        self._finished.append((connection, keep))
        # The order matters: suspended before this look, or taken back after it.
        deaf = connection.interest != READABLE
        unfinished = deaf or connection.send_buffer or connection.parser.buffered
        if unfinished or not keep or not self.worker.alive:
            self.wake()

    def flush(self, connection: SharedConnection) -> None:
        """Have the loop send what is in the send buffer of a connection."""
        self._to_flush.append(connection)
        self.wake()

    def wake(self) -> None:
        """Have the loop do a step soon."""
        if not self._woken:
            self._woken = True
            try:
                self.loop.call_soon_threadsafe(self.schedule)
            except RuntimeError:
                return  # the loop is closed: the worker quits
