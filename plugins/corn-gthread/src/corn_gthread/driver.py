"""Drives connections with threads: the selector driver, whose loop one thread holds at a time.

**The loop.** One thread holds it: it polls, accepts, reads, parses, and calls the application
itself, so that a fast application pays for no switch of threads. The main thread watches. When
the holder waits inside one call for more than a moment, the main thread gives the loop to an idle
thread, and the first is left with its call (see ``usage`` for what waiting is). Calls that can be
expected to be slow, because those before them were, the holder gives to idle threads before they
begin.

**Who owns a connection.** The loop's holder does, with all that the driver keeps, from
``connections`` to the poller. Only a connection whose request is being answered by another thread
or waits for one belongs to that request: it is checked out (``SelectorDriver.hold``), which means
that the driver has it in ``away`` and nowhere else and that the poller does not know it. The thread
that answers uses the connection as a sink and nothing more; then it puts it into ``_done``, and the
holder checks it back in. Hence nothing about a connection needs a lock.

**The lock** decides who holds the loop, who is idle, and who takes the next request that waits.

**Threads.** One more than ``threads``, for the one that polls, and the main thread. Python runs
signal handlers in the main thread, which therefore must not be in the application: there, a
handler's exception would strike a request.

**Heartbeats** come from the loop, as in other workers. However long requests take, some thread
polls. When no thread can, because the main thread cannot run or the loop itself is stuck, they
stop.
"""

from __future__ import annotations

import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from corn_gthread.alarm import make_alarm
from corn_gthread.crew import Crew, Doorbell, Seat
from corn_gthread.gate import GatedDriver
from corn_gthread.leadership import Leadership
from corn_gthread.usage import BRIEF, SLOW, Began, Meter, Verdict
from corn_gthread.watch import Watch

if TYPE_CHECKING:
    from corn_core.http import Request
    from corn_core.worker import ClientLimits, Host, RequestBody, Stream

FAREWELL = 0.5
"""Seconds for which threads may finish what they are at when the worker ends."""

LOST = (Verdict.SLOW, Verdict.LONG)
"""Verdicts with which a call loses the loop."""

LEAD = "lead"
STOP = "stop"


class Job(NamedTuple):
    """A request that waits for a thread."""

    connection: Stream
    request: Request
    body: RequestBody


class Outcome(NamedTuple):
    """A request that has been answered in another thread.

    :ivar keep: whether its connection is kept; None, if that has failed.
    :ivar slow: whether the call was slow; None, if that cannot be told.
    """

    connection: Stream
    path: str
    keep: bool | None
    slow: bool | None


class LoopTaken(BaseException):
    """Leads a thread that does not hold the loop any more out of it.

    It is not an ``Exception``, which a connection's guard would catch, so that no frame on the way
    touches what belongs to another thread now.
    """

    def __init__(self, slow: bool | None) -> None:
        super().__init__()
        self.slow = slow


class ThreadedDriver(GatedDriver[Job]):
    """Runs the connections of a worker, and up to ``threads`` requests at a time."""

    _holder: Seat
    """Whose thread holds the loop; from the appointment of the first on."""

    def __init__(self, worker: Host, limits: ClientLimits, threads: int) -> None:
        super().__init__(worker, limits, threads)
        self._lock = threading.Lock()
        self._leadership: Leadership[Seat, tuple[Stream, Request]] = Leadership(threads)
        self._crew = Crew(threads + 1, self._work, self._no_thread)
        self._alarm = make_alarm()
        self._doorbell = Doorbell()
        self._run = worker.cycle.run
        self._keeps = limits.keepalive > 0
        self._polling = False
        # Whether the holder may call the application for every request of the present round. It
        # is found out once a round: only the holder adds to what waits and what runs elsewhere,
        # when it looks, or loses the loop by it.
        self._calm = False
        # A request that has waited for another thread and is answered by the holder after all.
        self._next: Request | None = None
        # By its number, the thread of a call that has lost the loop, and when the call was seen
        # first.
        self._since: dict[int, tuple[Seat, Began]] = {}
        self._done: deque[Outcome] = deque()
        self._ended = False
        self._failure: BaseException | None = None

    # -- the main thread -------------------------------------------------------------

    def run(self) -> None:
        """Serve until the worker stops, then drain; returns when no connection is left."""
        self.open()
        self.watch_fd(self._doorbell.fd, self._doorbell.clear)
        try:
            with self._lock:
                self._appoint()
            self._watch()
        finally:
            ended = self._dismiss()
        if self._failure is not None:
            raise self._failure
        if ended:
            self.poller.close()
            self._doorbell.close()
            self._alarm.close()
            self._crew.close()

    def on_orphaned(self) -> None:
        """Leave it to the loop, which is never inside a call for long, and in another thread."""

    def _watch(self) -> None:
        """Hand the loop over whenever its holder is stuck in a call, until the loop ends."""
        leadership, pace = self._leadership, self._leadership.pace
        watch = Watch()
        told = False
        nap = SLOW
        while not self._ended:
            if not self.worker.alive and not told:
                # The holder may have looked just before a handler said so.
                told = True
                self._doorbell.ring()
            call = leadership.call
            verdict = Verdict.KEEP
            if call & 1:
                verdict = watch.look(call, self._holder.meter, nap)
                if verdict in LOST:
                    self._depose(call, watch.first, verdict)
            if verdict is Verdict.DOUBT or monotonic() < pace.suspect_until:
                nap = BRIEF
                self._alarm.nap(nap)
            else:
                # If the call goes on, this ends as a nap would. If other calls follow, they put
                # the alarm off: a holder that gets on is not disturbed again.
                nap = SLOW
                self._alarm.wait(self._calling)

    def _calling(self) -> bool:
        return self._leadership.call & 1 == 1

    def _depose(self, call: int, first: Began, verdict: Verdict) -> None:
        """Give the loop to an idle thread, unless its holder has just come back.

        :param first: when its call was seen first.
        """
        leadership = self._leadership
        with self._lock:
            seat = self._idle_seat()
            if seat is None:
                return
            claim = leadership.claims.get(call)
            if claim is None or not leadership.depose(call):
                leadership.idle.append(seat)
                return
            self._since[call] = self._holder, first
            now = monotonic()
            connection, request = claim
            if verdict is Verdict.SLOW and now - first.at >= SLOW:
                leadership.pace.note(request.path, True, now)
            self.hold(connection)
            seat.assign(LEAD)

    def _appoint(self) -> None:
        seat = self._crew.recruit()
        if seat is None:
            raise RuntimeError("the system does not permit a single thread")
        self._holder = seat
        seat.assign(LEAD)

    def _dismiss(self) -> bool:
        """Let all threads end. Returns False when some do not; they die with the process."""
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
            seat.meter = Meter()
            task = seat.next()
            while task is not STOP:
                slow = self._lead(seat) if task is LEAD else self._answer_elsewhere(seat, task)
                task = self._next_task(seat, slow)
        except BaseException as error:
            # A defect of the driver's: the worker ends, as one without threads would.
            self._failure = error
            self._end()

    def _lead(self, seat: Seat) -> bool | None:
        """Run the loop until it ends or is taken away. Returns whether the last call was slow."""
        self._holder = seat
        # What the last holder found out was before its last call ran beside the loop.
        self._calm = False
        try:
            while self.worker.alive or not self.drained():
                self.step()
        except LoopTaken as taken:
            return taken.slow
        self._end()
        return False

    def _end(self) -> None:
        self._ended = True
        self._alarm.ring()

    def _next_task(self, seat: Seat, slow: bool | None) -> object:
        """Return what a thread does after a call.

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
        if self._waiting or self._gated:
            self._wake()
        return seat.next()

    def _answer_elsewhere(self, seat: Seat, job: Job) -> bool | None:
        """Answer a request in a thread that does not hold the loop. Returns whether it was slow."""
        connection, request, body = job
        keep: bool | None = self._keeps and self.worker.alive
        began = Began.now()
        try:
            keep = self._run(request, body, connection, connection, keep is True)
        except BaseException:
            self._log_failure(connection)
            keep = None
        slow = seat.meter.was_slow(began)
        self._hand_back(Outcome(connection, request.path, keep, slow))
        return slow

    def _log_failure(self, connection: Stream) -> None:
        """Log a defect of ours, or of a logger or hook: it ends the connection, and no thread."""
        self.worker.log.exception("Error on the connection of ip=%s", connection.peer_host)

    def _hand_back(self, outcome: Outcome) -> None:
        self._done.append(outcome)
        self._wake()

    def _wake(self) -> None:
        """Let the loop's holder look at what other threads have left for it.

        The holder sets the flag before it looks, so that nothing is missed in between.
        """
        if self._polling:
            self._polling = False
            self._doorbell.ring()

    # -- the loop's holder -----------------------------------------------------------

    def dispatch(self, connection: Stream, request: Request, body: RequestBody) -> None:
        """Answer a request here and now, or let it wait for another thread.

        It is one function because it runs once for each request, and a call costs.
        """
        leadership = self._leadership
        if not self._calm and request is not self._next and self._has_to_wait(request):
            self.hold(connection)
            self._waiting.append(Job(connection, request, body))
            return
        # From here to its end the call can lose the loop to another thread.
        worker = self.worker
        # The steps, and their order, are those that Leadership asks for.
        number = leadership.call + 1
        leadership.claims[number] = connection, request
        leadership.call = number
        if number >= self._alarm.due:
            self._alarm.put_off(number)
        keep: bool | None
        try:
            keep = self._run(request, body, connection, connection, self._keeps and worker.alive)
        except BaseException:
            self._log_failure(connection)
            keep = None
        try:
            del leadership.claims[number]
        except KeyError:
            self._leave_loop(number, connection, request, keep)
        leadership.call = number + 1
        # As in _conclude(), which would be one more call for each request.
        worker.request_done()
        if keep is None:
            connection.close()
        else:
            connection.finish(keep)

    def _has_to_wait(self, request: Request) -> bool:
        """Tell whether another thread is to take a request."""
        leadership = self._leadership
        if self._waiting or leadership.running >= leadership.limit:
            return True
        return leadership.pace.wary and leadership.pace.suspicious(request.path, monotonic())

    def _leave_loop(
        self, number: int, connection: Stream, request: Request, keep: bool | None
    ) -> NoReturn:
        """Hand in the request of a call that has lost the loop, and leave what is not ours now."""
        with self._lock:  # until the watcher has done all that belongs to it
            seat, began = self._since.pop(number)
        slow = seat.meter.was_slow(began)
        self._hand_back(Outcome(connection, request.path, keep, slow))
        raise LoopTaken(slow) from None

    def _conclude(self, connection: Stream, keep: bool | None) -> None:
        self.worker.request_done()
        if keep is None:
            connection.close()
        else:
            connection.finish(keep)

    def wait(self) -> list[tuple[int, int]]:
        if self._ended:
            raise LoopTaken(slow=False)
        self._calm = False
        if self._done:
            self._take_back()
        if self._waiting:
            self._share_out()
        # As in _full(), which would be one more call.
        full = self._leadership.running + len(self._waiting) >= self._leadership.limit
        self._calm = not (full or self._waiting or self._leadership.pace.wary)
        due = min(self.next_tick, self._look_out(full))
        self._polling = True
        busy = self.ready or self.uploads or self._done or self._ended or self._once
        if busy or (self._waiting and self._may_share_out()):
            events = self.poller.wait(0.0)
        else:
            events = self.poller.wait(max(0.0, due - monotonic()))
        self._polling = False
        self._accept_first(events)
        return events

    def _take_back(self) -> None:
        """Go on with connections whose requests other threads have answered."""
        now = monotonic()
        while self._done:
            connection, path, keep, slow = self._done.popleft()
            self.release(connection)
            self._leadership.pace.note(path, slow, now)
            self.guard(connection, self._conclude, connection, keep)

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
                self.release(job.connection)
                self._next = job.request
                # Not what overrides it, which has seen the request already.
                ThreadedDriver.dispatch(self, *job)
                self._next = None

    def _no_thread(self, error: RuntimeError) -> None:
        self.worker.log.error("No thread could be started for a request: %s", error)

    def on_wakeup(self) -> None:
        """Let the main thread run the handler: the system may have interrupted another one."""
        super().on_wakeup()
        self._alarm.ring()

    def _full(self) -> bool:
        """Tell whether the next request would have to wait for a thread."""
        return self._leadership.running + len(self._waiting) >= self._leadership.limit

    # -- both ------------------------------------------------------------------------

    def _idle_seat(self) -> Seat | None:
        """Return an idle thread, the one that worked last, or a new one. Needs the lock."""
        idle = self._leadership.idle
        return idle.pop() if idle else self._crew.recruit()

    def notify(self) -> None:
        """Do nothing: a thread that waits for its client does not show that the loop is alive."""
