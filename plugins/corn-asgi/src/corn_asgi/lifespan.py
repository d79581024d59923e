"""The lifespan protocol: the application starts before its first request, ends after its last."""

from __future__ import annotations

import asyncio
from typing import Any

from corn_asgi.messages import BadMessage, Message, kind_of
from corn_core.plugin import AppLoadError, WorkerQuit, application_traceback, one_line
from corn_core.typing import Logger


class Lifespan:
    """The call of an application with the scope ``lifespan``, which lasts as long as the worker.

    :param mode: the setting ``asgi_lifespan``, ``auto`` or ``on``.
    :param uri: the operator's name for the application.
    :ivar state: what the application puts into ``scope["state"]`` during its startup.
    """

    def __init__(self, app: Any, mode: str, uri: str, log: Logger) -> None:
        self._app = app
        self._required = mode == "on"
        self._uri = uri
        self._log = log
        self.state: dict[str, Any] = {}
        self._inbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._answers: asyncio.Queue[Message | None] = asyncio.Queue()
        self._expected = "startup"
        self._task: asyncio.Task[None] | None = None
        self._error: BaseException | None = None

    async def start(self) -> bool:
        """Start the application. Returns False if it does not support this protocol.

        :raises AppLoadError: when the startup has failed.
        """
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._inbox.put_nowait({"type": "lifespan.startup"})
        answer = await self._answers.get()
        if answer is not None:
            if answer["type"] == "lifespan.startup.failed":
                # The loop is not run again, and would complain of a call that has not ended.
                self._task.cancel()
                await asyncio.wait([self._task], timeout=1)
                raise self._failure(str(answer.get("message", "")))
            self._expected = "shutdown"
            return True
        if self._required:
            raise self._refusal()
        why = "it returned" if self._error is None else one_line(self._error)
        self._log.info("The application does not support lifespan (%s)", why)
        return False

    async def stop(self) -> None:
        """End the application, and log what goes wrong."""
        if self._task is None or self._expected != "shutdown":
            return
        self._inbox.put_nowait({"type": "lifespan.shutdown"})
        answer = await self._answers.get()
        if answer is None:
            if self._error is not None:
                self._log.error("Error in the application's shutdown", exc_info=self._error)
        elif answer["type"] == "lifespan.shutdown.failed":
            self._log.error("The application's shutdown has failed: %s", answer.get("message", ""))
        await asyncio.wait([self._task])

    def cancel(self) -> None:
        """Stop waiting for the application."""
        if self._task is not None:
            self._task.cancel()

    # -- the call --------------------------------------------------------------------

    async def _run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await self._app(scope, self._inbox.get, self._send)
        except (WorkerQuit, GeneratorExit):
            raise
        except BaseException as error:
            # Whatever it is, it is the application's end, and not the worker's.
            self._error = error
        # For start() and stop(), to which no other answer comes any more.
        self._answers.put_nowait(None)

    async def _send(self, message: Message) -> None:
        kind = kind_of(message)
        begin = f"lifespan.{self._expected}"
        if kind not in (f"{begin}.complete", f"{begin}.failed"):
            raise BadMessage(f"got {kind}, expected {begin}.complete or {begin}.failed")
        self._answers.put_nowait(message)

    # -- failures --------------------------------------------------------------------

    def _failure(self, message: str) -> AppLoadError:
        """Make the error for a message of the application, which may be a whole traceback."""
        lines = message.strip().splitlines()
        text = f"{self._uri!r}: the application's startup has failed"
        text += f": {lines[-1].strip()}" if lines else ""
        return AppLoadError(text, message if len(lines) > 1 else "")

    def _refusal(self) -> AppLoadError:
        if self._error is None:
            return AppLoadError(
                f"{self._uri!r}: asgi_lifespan is on, and the application returned without"
                " lifespan.startup.complete"
            )
        error = self._error
        text = f"{self._uri!r}: asgi_lifespan is on, and the application raised {one_line(error)}"
        return AppLoadError(text, application_traceback(error))
