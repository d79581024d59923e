"""The asyncio driver: the connections of a worker, in an asyncio event loop.

It is the selector driver, with its poller nested in the poller of the loop: an epoll descriptor
can itself be waited for. So the state machines of connections are the same in every worker, and
the loop is asked once for a batch of connections instead of once for each event. That is
faster than ``asyncio.Protocol``, whose transports do for each connection what is done here for
all of them, and it has what transports lack: sendfile while a response is being produced, an end
that lingers, one that is a reset.

The application is called in the loop, and nothing else happens in the loop meanwhile; see
``threaded`` for a driver that calls it in other threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from corn_asyncio.loop import new_event_loop
from corn_asyncio.poller import nest
from corn_core.worker import Balance, SelectorDriver

if TYPE_CHECKING:
    from corn_core.worker import ClientLimits, Host


class AsyncioDriver(SelectorDriver):
    """Runs the connections of a worker in an event loop that others may use too.

    The worker's signal handlers stay as they are: they run in the main thread, where the loop
    has to run. The worker's wake-up descriptor is waited for like a connection. When something
    takes ``signal.set_wakeup_fd`` away from it, as ``loop.add_signal_handler`` does, a stop is
    noticed at the next tick instead of at once.

    :ivar loop: the event loop, once the driver is attached to it.
    """

    def __init__(self, worker: Host, limits: ClientLimits) -> None:
        super().__init__(worker, limits)
        self._balance = Balance(worker.slot)
        self.loop: asyncio.AbstractEventLoop
        self._timer: asyncio.TimerHandle | None = None
        self._tell_end: Callable[[], None] = lambda: None
        self._scheduled = False
        self._failure: BaseException | None = None

    def run(self) -> None:
        """Serve in a new event loop until the worker stops, and drain."""
        loop = new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            self.run_in(loop)
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    def run_in(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run a loop until the worker stops and no connection is left."""
        self.attach(loop, loop.stop)
        loop.run_forever()
        self.check()

    def attach(self, loop: asyncio.AbstractEventLoop, on_end: Callable[[], None]) -> None:
        """Begin to serve in a loop that the caller runs.

        :param on_end: called when the worker has stopped and no connection is left; then
            :meth:`check` says whether that was how it should end.
        """
        self.loop, self._tell_end = loop, on_end
        self.poller = nest(self.poller, loop, self._wake, self.schedule)
        self.open()
        self._on_timer()

    def check(self) -> None:
        """Raise what has ended the driver, if that was a defect."""
        if self._failure is not None:
            raise self._failure

    # -- accepting -------------------------------------------------------------------

    def accept_from(self, fd: int) -> bool:
        """Take new connections as long as the next one is for this worker."""
        accept = self.acceptors[fd]
        for _ in range(self.accept_batch):
            if not self._balance.has_turn(self.held(), monotonic()):
                self.pause_accepting()
                self.loop.call_later(self._balance.moment(), self.resume_accepting)
                return False
            if not accept(1):
                return False
        return True

    def on_tick(self, now: float) -> None:
        self._balance.meet()
        super().on_tick(now)

    # -- in the loop -----------------------------------------------------------------

    def wait(self) -> list[tuple[int, int]]:
        # It is the loop that waits.
        return self.poller.wait(0.0)

    def _on_timer(self) -> None:
        self._timer = self.loop.call_later(self.TICK, self._on_timer)
        self._wake()

    def schedule(self) -> None:
        """Have a step soon, when others in the loop have had their turn."""
        if not self._scheduled:
            self._scheduled = True
            self.loop.call_soon(self._wake)

    def _wake(self) -> None:
        """Do what there is to do: the nested poller has events, or a second has passed."""
        self._scheduled = False
        if self._timer is None:
            return  # it was scheduled before the end
        try:
            self.step()
            ended = not self.worker.alive and self.drained()
        except (SystemExit, KeyboardInterrupt):
            raise  # a signal's handler ends the worker, and the loop with it
        except BaseException as error:
            # The loop would log it and go on, with a driver of which nothing is known any more.
            self._failure = error
            ended = True
        if ended:
            self.on_end()
        elif self.ready or self.uploads:
            self.schedule()

    def on_end(self) -> None:
        """Close what the driver has in the loop; no connection is left."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.poller.close()
        self._tell_end()
