"""Listens where a setting says, and elsewhere when a reload has changed it."""

from __future__ import annotations

from collections.abc import Callable

from corn_core.plugin import BindError
from corn_core.typing import Server


class Following:
    """Follows a setting that names an address.

    :param listen: listens at an address; raises ``BindError``.
    :param stop: stops listening, if it does.
    :ivar wanted: the address that the configuration in force names.
    """

    def __init__(
        self, listen: Callable[[Server, str], None], stop: Callable[[Server], None]
    ) -> None:
        self.wanted: str | None = None
        self._listen, self._stop = listen, stop
        self._failed: str | None = None

    def follow(
        self, server: Server, wanted: str | None, *, listening: bool, may_listen: bool = True
    ) -> None:
        """Bring what is in line with the configuration; a failure is logged once, and tried again.

        :param listening: whether it listens now.
        :param may_listen: False as long as it has to wait.
        """
        if wanted == self.wanted and (wanted is not None) == listening:
            return
        if wanted != self.wanted:
            # First: the old address and the new one may be names of the same.
            self._stop(server)
            self.wanted = wanted
        if wanted is None or not may_listen:
            return
        try:
            self._listen(server, wanted)
            self._failed = None
        except BindError as error:
            if self._failed != wanted:
                server.log.error("%s; still trying", error)
                self._failed = wanted
