"""The pipe by which a signal ends the wait of a worker's event loop."""

from __future__ import annotations

import os
import signal


class Wakeup:
    """A pipe that becomes readable when a signal arrives, for a loop that waits in a poller.

    A process has one wake-up descriptor (``signal.set_wakeup_fd``), and in a worker it is this
    pipe's. A loop that sets one of its own, as trio's does, gets it by :meth:`release`.

    :ivar fd: the end to watch; call :meth:`clear` when it is readable.
    """

    def __init__(self) -> None:
        self.fd, self._write_fd = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(self._write_fd, False)
        signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)

    def clear(self) -> None:
        """Read what made it readable."""
        try:
            os.read(self.fd, 4096)
        except BlockingIOError:
            # Another thread was faster.
            return

    def release(self) -> None:
        """Leave the process's wake-up descriptor to a library's loop, before that starts.

        The library's descriptor then wakes the loop, so that Python calls the handlers, and these
        make :attr:`fd` readable as before.
        """
        signal.set_wakeup_fd(-1)

    def wake(self) -> None:
        """Make it readable; called in the handler of a signal that the loop has to notice."""
        try:
            os.write(self._write_fd, b"\0")
        except BlockingIOError:
            # It is full, and therefore readable already.
            return
