"""The threaded driver: the selector driver, with the loop in the hands of one thread at a time.

**The loop.** One thread holds it: it polls, accepts, reads, parses, and calls the application
itself, so that a fast application pays for no switch of threads. The main thread watches. When
the holder stays inside one call for more than a moment, the main thread gives the loop to an idle
thread, and the first is left with its call. Calls that can be expected to be slow, for those
before them were, the holder gives to idle threads before they begin.

**Who owns a connection.** The loop's holder does, with all that the driver keeps, from
``connections`` to the poller. Only a connection whose request is being answered by another thread
or waits for one belongs to that request: it is *checked out*, which means that the driver has it
in ``_away`` and nowhere else and that the poller does not know it. The thread that answers uses
the connection as a sink and nothing more; then it puts it into ``_done``, and the holder takes it
back. Hence nothing about a connection needs a lock.

**The lock** decides who holds the loop, who is idle, and who takes the next request that waits.

**Threads.** One more than ``threads``, for the one that polls, and the main thread. Python runs
signal handlers in the main thread, which therefore must not be in the application: there, a
handler's exception would strike a request.

**Signs of life** come from the loop, as in other workers. However long requests take, somebody
polls; when nobody can, for the main thread cannot run or the loop itself is stuck, they cease.
"""

from __future__ import annotations

import threading
from collections import deque
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from corn_core.serving.connection import FOREVER, Phase
from corn_core.serving.selector import SelectorDriver
from corn_gthread.balance import Balance
from corn_gthread.crew import Alarm, Crew, Doorbell, Seat
from corn_gthread.leadership import SLOW, Leadership

if TYPE_CHECKING:
    from corn_core.http import Request
    from corn_core.serving.connection import Connection
    from corn_core.serving.host import Host, Managed
    from corn_core.serving.settings import Terms
    from corn_core.wsgi import RequestBody

SUSPICIOUS = 0.00025
"""Seconds between two looks while calls prove to be slow. Each look costs about 10 us, and each
slow call holds up the others until it is looked at twice."""

FAREWELL = 0.5
"""Seconds for which threads may finish what they are at when the worker ends."""

LEAD = "lead"
STOP = "stop"


class Job(NamedTuple):
    """A request that waits for a thread."""

    connection: Connection
    request: Request
    body: RequestBody


class Outcome(NamedTuple):
    """What became of a request: whether its connection is kept; None, if that has failed."""

    connection: Connection
    path: str
    keep: bool | None
    slow: bool


class LoopTaken(BaseException):
    """Leads a thread that does not hold the loop any more out of it.

    An exception, and none that a connection's guard would catch, so that no frame on the way
    touches what belongs to another thread now.
    """

    def __init__(self, slow: bool) -> None:
        super().__init__()
        self.slow = slow


class ThreadedDriver(SelectorDriver):
    """Runs the connections of a worker, and up to ``threads`` requests at a time."""

    # A connection that is kept stays with its worker. Taking several at once, the worker that
    # happens to be awake would get them all.
    accept_batch = 1

    def __init__(self, worker: Host, terms: Terms, threads: int) -> None:
        super().__init__(worker, terms)
        self._lock = threading.Lock()
        self._leadership: Leadership[Seat] = Leadership(threads)
        self._crew = Crew(threads + 1, self._work)
        self._alarm = Alarm()
        self._doorbell = Doorbell()
        self._run = worker.cycle.run
        self._keeps = terms.keepalive > 0
        self._polling = False
        self._current: Connection | None = None
        self._current_path = ""
        # By its number, the moment since when a call lasts whose holder has lost the loop.
        self._since: dict[int, float] = {}
        self._waiting: deque[Job] = deque()
        self._away: set[Connection] = set()
        self._done: deque[Outcome] = deque()
        # Requests that have waited and do not any more, and at how many of them the gate opens.
        self._taken = 0
        self._gated = False
        self._gate_opens = 0
        self._balance = Balance(worker.slot, threads)
        self._ended = False
        self._failure: BaseException | None = None

    # -- the main thread -------------------------------------------------------------

    def run(self) -> None:
        """Serve until the worker stops, then drain; returns when no connection is left."""
        self._open()
        self._attend(self._doorbell.fd, self._doorbell.clear)
        self._others[self.worker.wakeup.fd] = self._on_signal
        try:
            with self._lock:
                self._appoint()
            self._watch()
        finally:
            ended = self._dismiss()
        if self._failure is not None:
            raise self._failure
        if ended:
            self._poller.close()
            self._doorbell.close()

    def _watch(self) -> None:
        """Take the loop from those who do not get on with it, until there is no loop any more."""
        leadership, pace = self._leadership, self._leadership.pace
        told = False
        seen, interval = 0, SLOW
        while not self._ended:
            if not self.worker.alive and not told:
                # The holder may have looked just before a handler said so.
                told = True
                self._doorbell.ring()
            now = monotonic()
            call = leadership.call
            if call == seen:
                if call & 1:
                    self._depose(call, now - interval)
                else:
                    self._alarm.sleep(partial(self._stirring, call))
            seen = leadership.call
            interval = SUSPICIOUS if now < pace.suspect_until else SLOW
            self._alarm.nap(interval)

    def _stirring(self, call: int) -> bool:
        """Whether there is something to watch, after a moment in which there was not."""
        return self._leadership.call != call or self._ended

    def _depose(self, call: int, since: float) -> None:
        """Give the loop to an idle thread, unless its holder has just come back.

        :param since: when its call was seen first, or before that.
        """
        leadership = self._leadership
        with self._lock:
            seat = self._idle_seat()
            if seat is None:
                return
            if not leadership.depose(call):
                leadership.idle.append(seat)
                return
            self._since[call] = since
            now = monotonic()
            if now - since >= SLOW:
                leadership.pace.note(self._current_path, True, now)
            if self._current is not None:
                self._check_out(self._current)
            seat.assign(LEAD)

    def _appoint(self) -> None:
        seat = self._crew.recruit()
        if seat is None:
            raise RuntimeError("the system does not permit a single thread")
        seat.assign(LEAD)

    def _dismiss(self) -> bool:
        """Let all threads end; False when some do not, which then die with the process."""
        self._ended = True
        with self._lock:
            idle, self._leadership.idle = self._leadership.idle, []
        for seat in idle:
            seat.assign(STOP)
        self._doorbell.ring()
        return self._crew.join(FAREWELL)

    # -- every other thread ----------------------------------------------------------

    def _work(self, seat: Seat) -> None:
        try:
            task = seat.next()
            while task is not STOP:
                slow = self._lead() if task is LEAD else self._answer_elsewhere(task)
                task = self._next_task(seat, slow)
        except BaseException as error:
            # A defect of the driver's: with it goes the worker, as in one without threads.
            self._failure = error
            self._end()

    def _lead(self) -> bool:
        """Hold the loop to its end, or until it is taken away; then, whether the call was slow."""
        try:
            while self.worker.alive or not self._drained():
                self.step()
        except LoopTaken as taken:
            return taken.slow
        self._end()
        return False

    def _end(self) -> None:
        self._ended = True
        self._alarm.ring()

    def _next_task(self, seat: Seat, slow: bool) -> object:
        """What a thread does after a call.

        Where calls are slow it takes the next one that waits. Where they are fast it leaves that
        to the loop, which then calls the application itself.
        """
        with self._lock:
            if self._ended:
                return STOP
            if slow and self._waiting:
                self._taken += 1
                return self._waiting.popleft()
            self._leadership.rest(seat)
        if self._waiting:
            self._wake()
        return seat.next()

    def _answer_elsewhere(self, job: Job) -> bool:
        """Answer a request in a thread that does not hold the loop; whether it took long."""
        connection, request, body = job
        keep: bool | None = self._keeps and self.worker.alive
        began = monotonic()
        try:
            keep = self._run(request, body, connection, connection, keep is True)
        except BaseException:
            self._log_failure(connection)
            keep = None
        slow = monotonic() - began > SLOW
        self._hand_back(Outcome(connection, request.path, keep, slow))
        return slow

    def _log_failure(self, connection: Connection) -> None:
        """Log a defect of ours, or of a logger or hook: it ends the connection, and no thread."""
        self.worker.log.exception("Error on the connection of ip=%s", connection.peer_host)

    def _hand_back(self, outcome: Outcome) -> None:
        self._done.append(outcome)
        self._wake()

    def _wake(self) -> None:
        """Let the loop's holder look at what others have left it.

        It sets the flag before it looks, so that nothing is missed in between.
        """
        if self._polling:
            self._polling = False
            self._doorbell.ring()

    # -- the loop's holder -----------------------------------------------------------

    def dispatch(self, connection: Connection, request: Request, body: RequestBody) -> None:
        """Answer a request here and now, or let it wait for another thread."""
        leadership = self._leadership
        if (
            self._waiting
            or leadership.running >= leadership.limit
            or (leadership.pace.wary and leadership.pace.suspicious(request.path, monotonic()))
        ):
            self._check_out(connection)
            self._waiting.append(Job(connection, request, body))
        else:
            self._answer_here(connection, request, body)

    def _answer_here(self, connection: Connection, request: Request, body: RequestBody) -> None:
        leadership, worker = self._leadership, self.worker
        self._current = connection
        self._current_path = request.path
        number = leadership.begin()
        if self._alarm.asleep:
            self._alarm.ring()
        keep: bool | None
        try:
            keep = self._run(request, body, connection, connection, self._keeps and worker.alive)
        except BaseException:
            self._log_failure(connection)
            keep = None
        with self._lock:
            holds = leadership.end(number)
        if not holds:
            slow = monotonic() - self._since.pop(number) >= SLOW
            self._hand_back(Outcome(connection, request.path, keep, slow))
            raise LoopTaken(slow)
        # As in _conclude(), which would be one more call for each request.
        worker.request_done()
        if keep is None:
            connection.close()
        else:
            connection.finish(keep)

    def _conclude(self, connection: Connection, keep: bool | None) -> None:
        self.worker.request_done()
        if keep is None:
            connection.close()
        else:
            connection.finish(keep)

    def _wait(self) -> list[tuple[int, int]]:
        if self._ended:
            raise LoopTaken(slow=False)
        if self._done:
            self._take_back()
        if self._waiting:
            self._share_out()
        if self._waiting or self._gated:
            self._mind_the_gate()
        due = self._next_tick
        if self._balance.look_at != FOREVER:
            due = min(due, self._look_at_others())
        self._polling = True
        if self._ready or self._done or self._ended or self._may_share_out():
            events = self._poller.wait(0.0)
        else:
            events = self._poller.wait(max(0.0, due - monotonic()))
        self._polling = False
        return events

    def _take_back(self) -> None:
        """Go on with connections whose requests other threads have answered."""
        now = monotonic()
        while self._done:
            connection, path, keep, slow = self._done.popleft()
            self._away.discard(connection)
            self._leadership.pace.note(path, slow, now)
            self._guard(connection, self._conclude, connection, keep)

    def _may_share_out(self) -> bool:
        return bool(self._waiting) and self._leadership.running < self._leadership.limit

    def _share_out(self) -> None:
        """Give the requests that wait to idle threads, or answer them here if they seem fast."""
        leadership = self._leadership
        while self._may_share_out():
            with self._lock:
                if not self._waiting:
                    # Another thread was faster.
                    return
                self._taken += 1
                job = self._waiting.popleft()
                seat = None
                if leadership.pace.suspicious(job.request.path, monotonic()):
                    seat = self._idle_seat()
                if seat is not None:
                    leadership.engage()
                    seat.assign(job)
            if seat is None:
                self._away.discard(job.connection)
                self._answer_here(*job)

    def _on_signal(self) -> None:
        """Let the main thread run the handler: the system may have interrupted another one."""
        self.worker.wakeup.clear()
        self._alarm.ring()

    def _mind_the_gate(self) -> None:
        """Accept nobody while requests wait: another worker may have a thread to spare.

        If none has, those in the backlog get their turn after the requests that came before:
        else connections that are kept, and always have another request, would shut them out.
        """
        if not self._waiting:
            self._gated = False
            self.accept_batch = type(self).accept_batch
            if self._balance.look_at == FOREVER:
                self._resume_accepting()
        elif self._accepting:
            self._gated = True
            self._gate_opens = self._taken + len(self._waiting)
            self._pause_accepting(FOREVER)
        elif self._gated and self._taken >= self._gate_opens:
            self.accept_batch = self._leadership.limit
            self._resume_accepting()

    def _look_at_others(self) -> float:
        """Accept again, if this worker does not hold too many any more; else, when to look next."""
        now = monotonic()
        if now < self._balance.look_at:
            return self._balance.look_at
        if self._balance.may_accept(self.held(), now) and not self._gated:
            self._resume_accepting()
        return self._balance.look_at

    def _tick(self, now: float) -> None:
        self._balance.meet()
        super()._tick(now)

    def watch(self, connection: Managed, mask: int) -> None:
        """Report the connection's events of this kind to it."""
        new = not connection.watched
        super().watch(connection, mask)
        if new:
            held = self.held()
            self.worker.slot.set_connections(held)
            if self._accepting and not self._balance.may_accept(held, monotonic()):
                self._pause_accepting(FOREVER)

    def forget(self, connection: Managed) -> None:
        """Stop reporting events; before the descriptor is closed."""
        super().forget(connection)
        self.worker.slot.set_connections(self.held())

    # -- both ------------------------------------------------------------------------

    def _idle_seat(self) -> Seat | None:
        """With the lock: an idle thread, the one that has worked last, or a new one."""
        idle = self._leadership.idle
        return idle.pop() if idle else self._crew.recruit()

    def _check_out(self, connection: Connection) -> None:
        if connection.watched:
            self.forget(connection)
            connection.watched = 0
        # It may be on the list of those that are ready, too, with a request behind this one.
        connection.phase = Phase.AWAY
        self._away.add(connection)

    def held(self) -> int:
        """How many connections there are."""
        return len(self.connections) + len(self._away)

    def notify(self) -> None:
        """Nothing: a thread that waits for its client is no sign that the loop is alive."""
