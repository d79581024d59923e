"""Every exception a user of corn can meet, with the resulting status on the class.

There are two families. A :class:`CornError` ends a command: its class carries the exit status,
and its text is the one line the operator reads. A :class:`BadRequest` ends a connection: its
class carries the HTTP status the client gets, and its text says what was wrong with the request.
"""

from __future__ import annotations

from collections.abc import Iterable
from traceback import walk_tb


class CornError(Exception):
    """The server cannot start or continue; the text says what is wrong, where, and what to do.

    ``details`` is the traceback of foreign code that raised, without corn's own frames. It is
    empty when the text is sufficient.
    """

    exit_status = 1
    details = ""


class ConfigError(CornError):
    """A configuration that cannot be used."""


class SettingError(ConfigError):
    """A setting was given a value it cannot take."""

    def __init__(self, name: str, expected: str, got: object, origin: str) -> None:
        super().__init__(f"{name}: expected {expected}, got {got!r} ({origin})")
        self.name = name
        self.expected = expected
        self.got = got
        self.origin = origin


class ExtensionError(ConfigError):
    """A plugin, worker class, logger class, loader or hook cannot be used."""


class HookFailed(CornError):
    """An implementation of a fatal hook raised; the cause is what it raised."""

    def __init__(self, hook: str, plugin: str, error: Exception, where: str = "") -> None:
        place = f" ({where})" if where else ""
        super().__init__(f"hook {hook} of plugin {plugin} failed: {one_line(error)}{place}")
        self.hook = hook
        self.plugin = plugin


class BindError(CornError):
    """An address cannot be listened on."""


class CommandError(CornError):
    """A command to a running server cannot be carried out; the text is for the operator."""


class BootError(CornError):
    """A worker could not boot, for a reason other than its application."""

    exit_status = 3


class AppLoadError(CornError):
    """The application could not be loaded."""

    exit_status = 4

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details


class BadRequest(Exception):
    """The client sent something that is not an acceptable HTTP request."""

    status = 400
    reason = "Bad Request"


class BadRequestLine(BadRequest):
    """The first line is not ``method SP target SP version`` (RFC 9112 section 3)."""


class BadFieldLine(BadRequest):
    """A header or trailer line is malformed, forbidden or repeated (RFC 9110 section 5)."""


class BadFraming(BadRequest):
    """The length of the body is ambiguous or malformed (RFC 9112 section 6)."""


class BadChunk(BadFraming):
    """A chunk of a chunked body is malformed (RFC 9112 section 7.1)."""


class TruncatedRequest(BadRequest):
    """The client closed its side in the middle of a message."""


class BadProxyHeader(BadRequest):
    """A header of the PROXY protocol is malformed."""


class Forbidden(BadRequest):
    """The client may not do what it asked for (RFC 9110 section 15.5.4)."""

    status = 403
    reason = "Forbidden"


class RequestTimeout(BadRequest):
    """The client took longer to send its request than the limits allow."""

    status = 408
    reason = "Request Timeout"


class BodyTooLarge(BadRequest):
    """The body is larger than ``limit_request_body``."""

    status = 413
    reason = "Content Too Large"


class TargetTooLong(BadRequest):
    """The request line is longer than ``limit_request_line``."""

    status = 414
    reason = "URI Too Long"


class ExpectationFailed(BadRequest):
    """The Expect field asks for something other than ``100-continue`` (RFC 9110 section 10.1.1)."""

    status = 417
    reason = "Expectation Failed"


class FieldsTooLarge(BadRequest):
    """There are more fields, or a longer field, than the limits allow (RFC 6585 section 5)."""

    status = 431
    reason = "Request Header Fields Too Large"


class CodingNotImplemented(BadRequest):
    """The transfer coding is not supported (RFC 9112 section 6.1)."""

    status = 501
    reason = "Not Implemented"


class VersionNotSupported(BadRequest):
    """The HTTP version is neither 1.0 nor 1.1."""

    status = 505
    reason = "HTTP Version Not Supported"


class ServerFault(BadRequest):
    """A request cannot be served, but the client is not at fault.

    The text is for the operator: it goes to the error log, not to the client.
    """

    status = 500
    reason = "Internal Server Error"
    for_client = "The server could not answer this request. Its error log says why."


class ScriptNameMismatch(ServerFault):
    """The path is not under SCRIPT_NAME: server and front end are configured differently."""


class BodyNotStored(ServerFault):
    """The body could not be written to ``tmp_upload_dir`` (RFC 4918 section 11.5)."""

    status = 507
    reason = "Insufficient Storage"


class BadResponse(Exception):
    """The application's response cannot be sent; the application is at fault."""


class ClientDisconnected(Exception):
    """The client has left or stopped reading; nothing more can be sent to it."""


class WorkerQuit(SystemExit):
    """Raised in a worker, wherever it happens to be, to make it exit at once."""


def one_line(error: BaseException) -> str:
    """Format the type and text of an exception, as at the end of a traceback."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


_ANSWERED = {
    "gunicorn": "pip install corn-gunicorn, which answers such imports",
    **dict.fromkeys(
        ("uvicorn", "uvicorn_worker"),
        "corn serves ASGI applications without it: pip install corn-asgi, and"
        " worker_class = 'asgi'",
    ),
}


def answered(error: BaseException) -> str:
    """Return "; pip install ..." for another server's module that is missing, or nothing."""
    name = error.name if isinstance(error, ModuleNotFoundError) else None
    advice = _ANSWERED.get(name or "")
    return f"; {advice}" if advice else ""


def line_in(error: BaseException, filename: str) -> int | None:
    """Return the line in the named file that was executing when the error was raised."""
    steps = walk_tb(error.__traceback__)
    lines = [line for frame, line in steps if frame.f_code.co_filename == filename]
    return lines[-1] if lines else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return "; did you mean ...?" for an unknown name, or nothing if no name is close."""
    close = closest(name, names)
    return f"; did you mean {close!r}?" if close else ""


def closest(name: str, names: Iterable[str], cutoff: float = 0.75) -> str | None:
    """Return the name that is most like an unknown one; None if there is none like it."""
    # lazy: needed only for mistakes
    from difflib import get_close_matches

    close = get_close_matches(name, list(names), n=1, cutoff=cutoff)
    return close[0] if close else None
