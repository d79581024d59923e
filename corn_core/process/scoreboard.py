"""The scoreboard: shared memory in which every worker says what it is doing.

The master makes it before it forks; workers inherit the mapping. A worker writes to
its own slot and the master reads, with no lock and no system call. Numbers are of the
machine's byte order and aligned to their 8 bytes, so a reader sees an old or a new one,
never half of each. The text may be seen half written; it is for people.

The mapping is a header of 256 bytes and then a slot of 256 bytes for each worker.

=======  =====  ===============================================================
offset   type   header
=======  =====  ===============================================================
0        u64    the layout's version, 1
8        u64    the number of slots
16       u64    the size of a slot in bytes
24       u64    not 0 while the server is stopping
32       u64    how often a slot has been given to a worker or taken back
=======  =====  ===============================================================

=======  =====  ===============================================================
offset   type   slot
=======  =====  ===============================================================
0        f64    heartbeat: ``time.monotonic()`` when the worker last was alive
8        f64    when the current request began, the same clock; 0.0 for none; of
                several, the one that began first. It is a sign of life, too
16       192 s  method, a space and path of the current or last request, encoded
                in latin-1; it ends at the first NUL, or is cut at 192 bytes
208      u64    requests served
216      u64    connections open
224      u64    state: 0 booting, 1 serving, 3 draining
232      u64    not 0 while the slot belongs to a worker
240      u64    requests in flight beside the one that began first
=======  =====  ===============================================================

All else is zero, and so is all of a slot that does not belong to a worker.

Each request pays for what is written here, and the master reads now and then. So nothing is written
that a reader can tell from the rest: a worker that serves is busy while it shows a request.
"""

from __future__ import annotations

import mmap
import os
from _thread import allocate_lock
from heapq import heapify, heappop, heappush
from itertools import count
from typing import NamedTuple

from corn_core.errors import ConfigError, CornError
from corn_core.setting import Setting, optional, string

SETTINGS = (
    Setting(
        name="worker_tmp_dir",
        section="Server Mechanics",
        parse=optional(string),
        default=None,
        help=(
            "The directory of a file that holds the workers' heartbeats. By default they are in"
            " anonymous memory, and nothing is written to any disk; set it only where processes"
            " may not share anonymous memory, and then to a directory in memory such as"
            " /dev/shm. The file is removed from the directory as soon as it is open."
        ),
        flags=("--worker-tmp-dir",),
        metavar="DIR",
        default_text="anonymous memory",
    ),
)

BOOTING = 0
IDLE = 1
BUSY = 2
DRAINING = 3
"""The state of a worker that finishes what it has begun and accepts nothing new."""
STATE_NAMES = ("booting", "idle", "busy", "draining")
"""The states of a worker, as ``server.snapshot()`` names them. Busy is never written: it is what an
idle worker with a request is."""

VERSION = 1
SLOT_SIZE = 256
TEXT_SIZE = 192

CAPACITY = 1024
"""The most workers that a server can have at once, the retiring ones included."""

NEVER = float("inf")

_NUMBER = 8
_VERSION, _CAPACITY, _SLOT_SIZE, _STOPPING, _CHANGES = range(5)
# Positions of a slot's numbers, in units of 8 bytes from the slot's beginning.
_HEARTBEAT, _STARTED, _TEXT, _REQUESTS, _CONNECTIONS, _STATE, _IN_USE = 0, 1, 2, 26, 27, 28, 29
_IN_FLIGHT = 30


class SlotView(NamedTuple):
    """The contents of a slot at the moment it was read.

    ``heartbeat`` and ``request_started`` are seconds of ``time.monotonic()``, the latter 0.0
    when no request is running. ``method`` and ``path`` are those of the current or the last
    request; characters may be missing from the end of ``path``.
    """

    heartbeat: float
    state: int
    requests: int
    connections: int
    request_started: float
    method: str
    path: str
    in_flight: int

    @property
    def has_served(self) -> bool:
        """True if the worker has been given anything to do: a request, or a connection."""
        return bool(self.requests or self.in_flight or self.connections)


class Slot:
    """The writing side of one slot, for the worker it belongs to; see ``interfaces.Slot``.

    For a worker that runs one request at a time; :meth:`shared` makes one for others.

    :ivar index: which slot it is.
    """

    __slots__ = (
        *("_board", "_changes", "_connections", "_doubles", "_heartbeat", "_in_flight", "_memory"),
        *("_next_count", "_numbers", "_peers", "_requests", "_said", "_started"),
        *("_state", "_text", "index"),
    )

    def __init__(self, board: Scoreboard, index: int) -> None:
        self.index = index
        self._board = board
        self._memory = board.memory
        self._doubles = board._doubles
        self._numbers = board._numbers
        first = board._first(index)
        self._heartbeat = first + _HEARTBEAT
        self._started = first + _STARTED
        self._text = (first + _TEXT) * _NUMBER
        self._requests = first + _REQUESTS
        self._connections = first + _CONNECTIONS
        self._state = first + _STATE
        self._in_flight = first + _IN_FLIGHT
        self._next_count = count(self._numbers[self._requests] + 1).__next__
        self._said = ("", "")
        self._peers: list[int] = []
        self._changes = 0

    # Assigning to an element of a memoryview stores its 8 bytes at once. struct.pack_into() would
    # need fewer calls, but clears the bytes before it fills them: the master would see a
    # heartbeat of 0.0 now and then, and take the worker for dead.

    def beat(self, now: float) -> None:
        self._doubles[self._heartbeat] = now

    def begin_request(self, now: float, method: str, path: str) -> int:
        self._doubles[self._started] = now
        if (method, path) != self._said:
            self._say(method, path)
        return 0

    def _say(self, method: str, path: str) -> None:
        text = f"{method} {path}\0".encode("latin-1", "replace")[:TEXT_SIZE]
        start = self._text
        self._memory[start : start + len(text)] = text
        self._said = method, path

    def end_request(self, token: int) -> None:
        self._doubles[self._started] = 0.0
        self._numbers[self._requests] = self._next_count()

    def set_state(self, state: int) -> None:
        """Set the state of a worker that has no request at present."""
        self._numbers[self._state] = state

    def set_connections(self, count: int) -> None:
        self._numbers[self._connections] = count

    def shared(self) -> Slot:
        """Return the same slot, for a worker that runs several requests at once."""
        return SharedSlot(self._board, self.index)

    def server_stopping(self) -> bool:
        return self._numbers[_STOPPING] != 0

    def peers(self) -> list[int]:
        changes = self._numbers[_CHANGES]
        if changes != self._changes:
            self._changes = changes
            self._peers = [index for index in self._board.in_use() if index != self.index]
        return self._peers

    def fewest_connections(
        self, peers: list[int], busy: int, since: float, began: float = NEVER
    ) -> int | None:
        numbers, doubles, step = self._numbers, self._doubles, SLOT_SIZE // _NUMBER
        fewest = None
        for index in peers:
            first = (index + 1) * step
            if (
                numbers[first + _STATE] == IDLE
                and (self._board._count(first) < busy or doubles[first + _STARTED] > began)
                and doubles[first + _HEARTBEAT] >= since
                and numbers[first + _IN_USE]
            ):
                count = numbers[first + _CONNECTIONS]
                fewest = count if fewest is None else min(fewest, count)
        return fewest


class SharedSlot(Slot):
    """A slot for several requests at once, in threads or in greenlets.

    It shows the request that began first: when a worker is stuck, that is the one to look at.

    Most requests are alone, and should not pay for a lock. One of those in flight has the display,
    and only that one writes to it. A request takes the display when it begins, if it is free, and
    frees it at its end, or gives it to the next; both are one step for the interpreter. The others
    are in an account with a lock. After freeing the display, and after entering the account, one
    looks at the other of the two, so that none of several threads leaves a request unseen.
    """

    __slots__ = ("_display", "_lock", "_next_token", "_others", "_shown")

    def __init__(self, board: Scoreboard, index: int) -> None:
        super().__init__(board, index)
        # Holds one thing while the display is free, and nothing while it is taken.
        self._display: list[None] = [None]
        # The interpreter's own lock, also when a library has replaced the threading module's:
        # it is held for a few stores, and never across a switch of greenlets.
        self._lock = allocate_lock()
        self._next_token = count(1).__next__
        # Those in flight that are not shown; of the one that is, the memory knows all there is.
        self._others: dict[int, tuple[float, str, str]] = {}
        # The token of the one that is; 0 for one that has taken the display when it began.
        self._shown = 0

    # Without calls of the methods above: for most requests the two together would take as long as
    # the rest of what a request costs here.

    def begin_request(self, now: float, method: str, path: str) -> int:
        try:
            self._display.pop()
        except IndexError:
            return self._begin_beside(now, method, path)
        self._doubles[self._started] = now
        if (method, path) != self._said:
            self._say(method, path)
        return 0

    def end_request(self, token: int) -> None:
        self._numbers[self._requests] = self._next_count()
        if token or self._others:
            self._end_beside(token)
            return
        self._doubles[self._started] = 0.0
        self._display.append(None)
        if self._others:
            with self._lock:
                self._fill_display()

    def _begin_beside(self, now: float, method: str, path: str) -> int:
        with self._lock:
            token = self._next_token()
            self._others[token] = now, method, path
            self._fill_display()
        return token

    def _end_beside(self, token: int) -> None:
        with self._lock:
            if token == self._shown:
                self._shown = 0
                self._doubles[self._started] = 0.0
                self._display.append(None)
            else:
                del self._others[token]
            self._fill_display()

    def _fill_display(self) -> None:
        """Show the one of the others that began first, if the display is free. Needs the lock."""
        if self._others:
            try:
                self._display.pop()
            except IndexError:
                pass  # it is taken
            else:
                # A dict keeps the order in which its keys were added.
                self._shown = next(iter(self._others))
                started, method, path = self._others.pop(self._shown)
                self._say(method, path)
                self._doubles[self._started] = started
        self._numbers[self._in_flight] = len(self._others)


class Scoreboard:
    """The shared memory, and the master's account of which slots are free.

    :param capacity: the most workers there can be at once, the retiring ones included.
    :param directory: put the memory into a file there, instead of into no file at all.
    :ivar memory: all of it, as laid out above.
    :raises ConfigError: when no file can be made in ``directory``.
    """

    def __init__(self, capacity: int = CAPACITY, directory: str | None = None) -> None:
        self.capacity = capacity
        size = (capacity + 1) * SLOT_SIZE
        self._map = mmap.mmap(-1, size) if directory is None else _map_file(directory, size)
        self.memory = memoryview(self._map)
        self._doubles = self.memory.cast("d")
        self._numbers = self.memory.cast("Q")
        self._numbers[_VERSION] = VERSION
        self._numbers[_CAPACITY] = capacity
        self._numbers[_SLOT_SIZE] = SLOT_SIZE
        self._free = list(range(capacity))
        heapify(self._free)

    # -- the master's side -----------------------------------------------------------

    def allocate(self) -> int:
        """Give out the lowest free slot; returns its index.

        :raises CornError: when all are taken.
        """
        if not self._free:
            raise CornError(f"there can be no more than {self.capacity} workers")
        index = heappop(self._free)
        self._numbers[self._first(index) + _IN_USE] = 1
        self._numbers[_CHANGES] += 1
        return index

    def release(self, index: int) -> None:
        """Take a slot back, and clear it, when its worker is dead."""
        first = self._first(index)
        if not self._numbers[first + _IN_USE]:
            raise ValueError(f"slot {index} does not belong to a worker")
        offset = first * _NUMBER
        self.memory[offset : offset + SLOT_SIZE] = bytes(SLOT_SIZE)
        self._numbers[_CHANGES] += 1
        heappush(self._free, index)

    def set_server_stopping(self, stopping: bool = True) -> None:
        """Tell every worker whether the server is going down, see ``Slot.server_stopping``."""
        self._numbers[_STOPPING] = int(stopping)

    def close(self) -> None:
        """Give the memory back; slots of this process must not be used any more."""
        for view in (self._doubles, self._numbers, self.memory):
            view.release()
        self._map.close()

    # -- both sides ------------------------------------------------------------------

    def slot(self, index: int) -> Slot:
        """Return the writing side of a slot."""
        return Slot(self, index)

    def in_use(self) -> list[int]:
        """Return the indexes of the slots that belong to workers."""
        numbers, step = self._numbers, SLOT_SIZE // _NUMBER
        return [i for i in range(self.capacity) if numbers[(i + 1) * step + _IN_USE]]

    def read(self, index: int) -> SlotView:
        """Read a slot. It may be changing meanwhile; see the module's docstring."""
        first = self._first(index)
        text = (first + _TEXT) * _NUMBER
        raw = bytes(self.memory[text : text + TEXT_SIZE]).partition(b"\0")[0]
        method, _, path = raw.decode("latin-1", "replace").partition(" ")
        started = self._doubles[first + _STARTED]
        state = self._numbers[first + _STATE]
        return SlotView(
            heartbeat=max(self._doubles[first + _HEARTBEAT], started),
            state=BUSY if state == IDLE and started else state,
            requests=self._numbers[first + _REQUESTS],
            connections=self._numbers[first + _CONNECTIONS],
            request_started=started,
            method=method,
            path=path,
            in_flight=self._count(first),
        )

    def _count(self, first: int) -> int:
        """Return how many requests a worker has in flight, by the position of its slot."""
        return self._numbers[first + _IN_FLIGHT] + (self._doubles[first + _STARTED] != 0.0)

    def _first(self, index: int) -> int:
        """Return the position of a slot's first number."""
        if not 0 <= index < self.capacity:
            raise IndexError(f"no slot {index}: there are {self.capacity}")
        return (index + 1) * SLOT_SIZE // _NUMBER


def _map_file(directory: str, size: int) -> mmap.mmap:
    path = os.path.join(directory, f".corn-{os.getpid()}-{os.urandom(6).hex()}")
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.unlink(path)
            # Takes the space now: on a full disk, a store to a hole in the file would be
            # SIGBUS in whichever process makes it.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(fd, 0, size)
            else:  # macOS
                os.ftruncate(fd, size)
            return mmap.mmap(fd, size)
        finally:
            os.close(fd)
    except OSError as error:
        raise ConfigError(
            f"worker_tmp_dir: cannot make a file in {directory!r}: {error.strerror}"
        ) from None
