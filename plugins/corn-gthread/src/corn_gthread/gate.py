"""Adds to the selector driver when to accept: only what this worker should serve, not another."""

from __future__ import annotations

import select
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Generic, TypeVar

from corn_core.worker import FOREVER, READABLE, SelectorDriver
from corn_gthread.balance import Balance, Stand

if TYPE_CHECKING:
    from corn_core.worker import ClientLimits, Host

Job = TypeVar("Job")


class GatedDriver(SelectorDriver, Generic[Job]):
    """Leaves the queue for new connections while others should have them, see ``balance``.

    Beside that there is a gate, which is closed while all threads are taken.

    :param threads: the requests that may be in the application at once.
    """

    # As many as come at once; see accept_from() for what keeps one worker from taking them all.
    accept_batch = 64

    def __init__(self, worker: Host, limits: ClientLimits, threads: int) -> None:
        super().__init__(worker, limits)
        self._threads = threads
        self._waiting: deque[Job] = deque()
        # Requests that have waited and do not any more; how many there were of them when the gate
        # was closed, and how many it takes for it to open.
        self._taken = 0
        self._gated = False
        self._gate_closed = 0
        self._gate_opens = 0
        # Whether to accept what is in the queue now, and then to leave it again.
        self._once = False
        self._balance = Balance(worker.slot, threads)
        self._told = 0
        self._lookout = select.poll()

    def _full(self) -> bool:
        """Tell whether the next request would have to wait for a thread."""
        raise NotImplementedError

    def open(self) -> None:
        super().open()
        for fd in self.acceptors:
            self._lookout.register(fd, READABLE)

    def _look_out(self, full: bool) -> float:
        """Decide whether to accept in the next round. Returns when to decide again.

        :param full: what :meth:`_full` says.
        """
        # As held() says, which would be one more call for each request.
        if len(self.connections) + len(self.away) != self._told:
            self._tell()
        if self.draining:
            return FOREVER
        if self._once:
            self._leave_again()
        if self._gated or full:
            self._mind_the_gate()
        if self._balance.look_at == FOREVER:
            return FOREVER
        return self._look_at_others()

    def _accept_first(self, events: list[tuple[int, int]]) -> None:
        """Accept before anything else, if the poller has reported new connections.

        The kernel may have woken this worker and no other for a client. If the next call turned out
        slow, the client would wait for it while other workers are idle.
        """
        for fd in self.acceptors:
            if (fd, READABLE) in events and not self.accept_from(fd):
                events.remove((fd, READABLE))

    def accept_from(self, fd: int) -> bool:
        """Take new connections, one after another, as long as this worker should have the next.

        Returns whether there may be more of them.
        """
        accept = self.acceptors[fd]
        for _ in range(self.accept_batch):
            if not self.accepting or not accept(1):
                return False
            self._tell()
            if not self._once:
                self._leave_if_others_should()
        return self.accepting

    def _tell(self) -> None:
        """Let the other workers know how many connections this one holds."""
        held = self.held()
        if held < self._told and self._balance.look_at != FOREVER:
            self._balance.look_at = 0.0
        self._told = held
        self.worker.slot.set_connections(held)

    def _leave_if_others_should(self) -> None:
        """Leave the queue of new connections if another worker had better take the next one."""
        if not self.accepting or not self._balance.has_peers():
            return
        if self._full():
            self._close_the_gate()
        elif self._balance.stands(self._told, False, monotonic()) is not Stand.IN:
            self.pause_accepting()

    def _mind_the_gate(self) -> None:
        """Accept nothing while all threads are taken: another worker may have one to spare.

        If none has, those in the backlog get their turn after the requests that came before, as
        many as have been answered meanwhile: else connections that are kept, and always have
        another request, would shut them out. A worker without others goes on accepting, and reads
        what clients send, until a request has to wait.
        """
        if not self._full():
            self._gated = False
            self._come_back()
        elif self.accepting:
            if self._waiting or self._balance.has_peers():
                self._close_the_gate()
        elif (
            self._gated
            and self._waiting
            and self._taken >= self._gate_opens
            and not self._balance.others_could(monotonic())
        ):
            self._accept_once(max(self._threads, self._taken - self._gate_closed))

    def _close_the_gate(self) -> None:
        self._gated = True
        self._gate_closed = self._taken
        self._gate_opens = self._taken + max(1, len(self._waiting))
        self.pause_accepting()
        self._come_back()

    def _accept_once(self, batch: int) -> None:
        self._once = True
        self.accept_batch = batch
        self.resume_accepting()

    def _leave_again(self) -> None:
        self._once = False
        self.accept_batch = type(self).accept_batch
        if self._gated:
            self._close_the_gate()
        else:
            self.pause_accepting()

    def _come_back(self) -> None:
        """Accept again unless others had better do that; then look at them again soon."""
        now = monotonic()
        stand = self._balance.stands(self.held(), self._full(), now, self._clients_wait())
        if stand is Stand.ONCE:
            self._accept_once(1)
        elif stand is Stand.IN and not self._gated:
            self.resume_accepting()

    def _clients_wait(self) -> bool:
        """Tell whether there are new connections, which this worker has left to others."""
        return not self.accepting and bool(self._lookout.poll(0))

    def _look_at_others(self) -> float:
        """Look at the others when it is time for that. Returns when it is time to look again."""
        if monotonic() >= self._balance.look_at:
            self._come_back()
        return self._balance.look_at
