"""The pipe by which a signal ends the wait of a worker's event loop."""

from __future__ import annotations

import os
import signal


class Wakeup:
    """A pipe that becomes readable when a signal arrives, for a loop that waits in a poller."""

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
