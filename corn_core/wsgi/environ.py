"""From a parsed request to the environ that PEP 3333 describes."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from corn_core import __version__
from corn_core.errors import BadRequest, ScriptNameMismatch, SettingError
from corn_core.setting import Expected, Setting, comma_separated
from corn_core.wsgi.files import ErrorStream, FileWrapper
from corn_core.wsgi.offered import SOCKET_NAMES, OfferedSocket
from corn_core.wsgi.trust import SchemeFields, parse_peers, peer_test

if TYPE_CHECKING:
    from corn_core.config import Config
    from corn_core.http import Request
    from corn_core.interfaces import Logger
    from corn_core.net import Listener
    from corn_core.wsgi.body import RequestBody
    from corn_core.wsgi.connection import ConnectionInfo

Environ = dict[str, Any]

SERVER_SOFTWARE = f"corn/{__version__}"
"""What applications are told; clients see the name only."""


def _scheme_headers(raw: object) -> dict[str, str]:
    expected = "a dictionary of field names and the values that mean https"
    if not isinstance(raw, Mapping):
        raise Expected(expected)
    if not all(isinstance(text, str) and text for item in raw.items() for text in item):
        raise Expected(expected)
    return {name.upper(): value for name, value in raw.items()}


def _names(raw: object) -> list[str]:
    names = [name.upper().replace("-", "_") for name in comma_separated(raw)]
    if not all(_NAME.fullmatch(name) for name in names):
        raise Expected("names of fields, divided by commas")
    return names


_NAME = re.compile("[A-Z0-9_]+")

SETTINGS = (
    Setting(
        name="forwarded_allow_ips",
        section="Security",
        parse=parse_peers,
        default=["127.0.0.1", "::1"],
        help=(
            "The front-end servers that are trusted when a field of secure_scheme_headers says"
            " that the client used https: addresses and networks (10.0.0.0/8), separated by"
            " commas, or * for all. Clients of a unix socket are always trusted. With *, make"
            " sure that clients cannot connect directly, because they could claim anything. The"
            " setting does not change REMOTE_ADDR, which is the front end's address."
        ),
        flags=("--forwarded-allow-ips",),
        metavar="ADDRESSES",
        env="FORWARDED_ALLOW_IPS",
    ),
    Setting(
        name="forwarder_headers",
        section="Security",
        parse=_names,
        default=["SCRIPT_NAME", "PATH_INFO"],
        help=(
            "The fields with an underscore in their name that a front-end server of"
            " forwarded_allow_ips may send although header_map drops such fields: names,"
            " separated by commas. SCRIPT_NAME becomes SCRIPT_NAME in the environ, and is removed"
            " from the path; any other NAME becomes HTTP_NAME. From other peers they are dropped."
        ),
        flags=("--forwarder-headers",),
        metavar="NAMES",
    ),
    Setting(
        name="secure_scheme_headers",
        section="Security",
        parse=_scheme_headers,
        default={
            "X-FORWARDED-PROTOCOL": "ssl",
            "X-FORWARDED-PROTO": "https",
            "X-FORWARDED-SSL": "on",
        },
        help=(
            "The fields by which a front-end server says that its client used https, each with"
            " the value that means so; wsgi.url_scheme is then https. Names are not"
            " case-sensitive; values must be exactly what the front end sends. Any other value"
            " means http, and fields that contradict each other are answered with 400. The front"
            " end must remove these fields from what its clients send."
        ),
        places=("file",),
    ),
)

_ESCAPED = re.compile("%([0-9A-Fa-f]{2})")


def unquote(path: str) -> str:
    """Decode the escapes of a path; each byte becomes a character up to U+00FF (PEP 3333).

    A percent sign without two hexadecimal digits stands for itself.
    """
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), path)


def read_script_name(variables: Mapping[str, str]) -> str:
    """Read SCRIPT_NAME of the process environment as WSGI text, without a slash at its end.

    :raises SettingError: when it does not begin with a slash.
    """
    given = variables.get("SCRIPT_NAME", "")
    name = unquote(os.fsencode(given).decode("latin-1")).rstrip("/")
    if name and not name.startswith("/"):
        origin = "environment variable SCRIPT_NAME"
        raise SettingError("SCRIPT_NAME", "a path that begins with /", given, origin)
    return name


_OF_REQUEST = (
    *("REQUEST_METHOD", "RAW_URI", "REQUEST_URI", "QUERY_STRING", "PATH_INFO", "wsgi.input"),
    *("REMOTE_ADDR", "REMOTE_PORT"),
)
"""Keys that every environ has, with the value of its request or connection."""

_ROOM = ("wsgi.early_hints", *SOCKET_NAMES)
"""Keys that most environs have."""


class EnvironBuilder:
    """Builds environs; made once per worker, when its process environment is complete.

    :param log: gets what applications write to ``wsgi.errors``.
    :param multithread: whether several threads of this process may call the application.
    :param variables: where SCRIPT_NAME is looked up.
    :param socket_names: where applications find the client's socket.
    :ivar errors: ``wsgi.errors`` of all environs.
    """

    def __init__(
        self,
        config: Config,
        log: Logger,
        *,
        multithread: bool,
        variables: Mapping[str, str] = os.environ,
        socket_names: Sequence[str] = SOCKET_NAMES,
    ) -> None:
        self.script_name = read_script_name(variables)
        self.is_trusted = peer_test(config.forwarded_allow_ips)
        self._forwarder_names = frozenset(config.forwarder_headers)
        self._scheme = SchemeFields(config.secure_scheme_headers)
        self._scheme_keys = self._scheme.keys
        self._socket_names = socket_names
        self.errors = ErrorStream(log)
        self._constants: Environ = {
            "SERVER_SOFTWARE": SERVER_SOFTWARE,
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SCRIPT_NAME": self.script_name,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": self.errors,
            "wsgi.multithread": multithread,
            # PEP 3333: another process *may* call it. With one worker, a reload has two for a
            # while, and so has max_requests; TTIN adds another.
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
            "wsgi.file_wrapper": FileWrapper,
        }
        self._templates: dict[Listener, Environ] = {}

    def build(self, request: Request, body: RequestBody, connection: ConnectionInfo) -> Environ:
        """Build the environ of a request.

        :raises BadRequest: when the fields of a trusted front-end contradict each other.
        :raises ScriptNameMismatch: when the path is not under SCRIPT_NAME.
        """
        listener = connection.listener
        template = self._templates.get(listener) or self._add_template(listener)
        fields = request.fields
        environ = template | fields
        uri = request.uri
        environ["REQUEST_METHOD"] = request.method
        environ["RAW_URI"] = uri
        environ["REQUEST_URI"] = uri
        environ["QUERY_STRING"] = request.query
        path = request.path
        if "%" in path:
            path = unquote(path)
        environ["PATH_INFO"] = path
        if self.script_name:
            _split_path(environ, self.script_name, path)
        if request.dropped is not None and self._forwarder_names:
            self._take_forwarded(environ, request, connection, path)
        if request.version != (1, 1):
            environ["SERVER_PROTOCOL"] = protocol(request.version)
        environ["wsgi.input"] = body
        environ |= connection.variables or self._introduce(connection)
        if connection.scheme != "http":
            environ["wsgi.url_scheme"] = connection.scheme
        if not self._scheme_keys.isdisjoint(fields) and self.is_trusted(connection.peer):
            environ["wsgi.url_scheme"] = self._scheme.read(request)
        if listener.is_unix:
            _set_server(environ)
        if "HTTP_PROXY" in fields:
            # httpoxy: programs take it for the configuration of an outgoing proxy. No standard
            # has a field called Proxy.
            del environ["HTTP_PROXY"]
        return environ

    def _introduce(self, connection: ConnectionInfo) -> Environ:
        """Make what an unencrypted connection adds to the environs of its requests.

        The socket of an encrypted connection is useless to them: it carries ciphertext.
        """
        variables: Environ = dict.fromkeys(self._socket_names, OfferedSocket(connection))
        variables.update(connection.address())
        connection.variables = variables
        return variables

    def describe(self, request: Request | None, connection: ConnectionInfo) -> Environ:
        """Build what an access line needs of an environ that could not be built."""
        environ: Environ = {**connection.address()}
        if request is not None:
            environ.update(request.fields)
            environ["REQUEST_METHOD"] = request.method
            environ["RAW_URI"] = environ["REQUEST_URI"] = request.uri
            environ["PATH_INFO"] = unquote(request.path)
            environ["QUERY_STRING"] = request.query
            environ["SERVER_PROTOCOL"] = protocol(request.version)
        return environ

    def _add_template(self, listener: Listener) -> Environ:
        template = self._templates[listener] = {
            **self._constants,
            # From the socket, not from Host, which is the client's to choose.
            "SERVER_NAME": listener.server_name,
            "SERVER_PORT": listener.server_port,
            **dict.fromkeys(_OF_REQUEST),
        }
        # Copies of a dictionary have as much room as it had when it was largest. With less than
        # this they would have to grow when the fields are added.
        template.update(dict.fromkeys(_ROOM))
        for key in _ROOM:
            del template[key]
        return template

    def _take_forwarded(
        self, environ: Environ, request: Request, connection: ConnectionInfo, path: str
    ) -> None:
        """Add fields that were dropped because of their name, if a trusted front end sent them."""
        if not self.is_trusted(connection.peer):
            return
        found: dict[str, str] = {}
        for line in request.dropped or ():
            name, _, value = line.partition(":")
            key = name.upper().replace("-", "_")
            if key in found:
                raise BadRequest(f"two values of the field {key}")
            if key in self._forwarder_names:
                found[key] = value.strip(" \t")
        script_name = found.pop("SCRIPT_NAME", None)
        environ.update((f"HTTP_{key}", value) for key, value in found.items())
        if script_name is not None:
            prefix = unquote(script_name).rstrip("/")
            environ["SCRIPT_NAME"], environ["PATH_INFO"] = prefix, path
            if prefix:
                _split_path(environ, prefix, path)


def _split_path(environ: Environ, prefix: str, path: str) -> None:
    """Split the path between SCRIPT_NAME and PATH_INFO, at a slash."""
    rest = path.removeprefix(prefix)
    if len(rest) < len(path) and rest[:1] in ("", "/"):
        environ["PATH_INFO"] = rest
    elif path.startswith("/"):
        raise ScriptNameMismatch(
            f"the path {path!r} is not under SCRIPT_NAME {prefix!r}; either the"
            " front-end server must keep the prefix, or it must not be set"
        )
    else:
        # An authority or an asterisk (RFC 9112 section 3.2) is not a path.
        environ["SCRIPT_NAME"] = ""


def protocol(version: tuple[int, int]) -> str:
    """Format a version of HTTP as in a request line."""
    return f"HTTP/{version[0]}.{version[1]}"


def _set_server(environ: Environ) -> None:
    """Set the server's name from Host, because a unix socket has none that clients know."""
    host = environ.get("HTTP_HOST", "")
    default = "443" if environ["wsgi.url_scheme"] == "https" else "80"
    # An IPv6 address is in brackets and has colons of its own.
    name, colon, port = host.rpartition(":")
    if not colon or port.endswith("]"):
        name, port = host, ""
    environ["SERVER_NAME"] = name or environ["SERVER_NAME"]
    environ["SERVER_PORT"] = port or default
