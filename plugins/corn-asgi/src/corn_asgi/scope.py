"""From a parsed request to the scope that the ASGI specification describes."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from corn_core.worker import SchemeFields, ScriptNameMismatch, peer_test, read_script_name

if TYPE_CHECKING:
    from corn_core.http import Request
    from corn_core.typing import Config
    from corn_core.worker import ConnectionInfo

Scope = dict[str, Any]
RawFields = list[tuple[bytes, bytes]]
Place = tuple[str, int | None] | None

_FORWARDED_FOR = "HTTP_X_FORWARDED_FOR"
_WEBSOCKET_SCHEMES = {"http": "ws", "https": "wss"}

HTTP_EXTENSIONS: dict[str, dict[str, Any]] = {
    "http.response.early_hint": {},
    "http.response.pathsend": {},
    "http.response.trailers": {},
    "http.response.zerocopysend": {},
}
WEBSOCKET_EXTENSIONS: dict[str, dict[str, Any]] = {"websocket.http.response": {}}


class Ends:
    """The two ends of a connection, as its scopes name them.

    :param tls: the extension ``tls``, None for a connection that is not encrypted.
    """

    __slots__ = (*("client", "fields", "head", "http", "scope", "section", "server", "websocket"),)

    def __init__(self, client: Place, server: Place, tls: dict[str, Any] | None) -> None:
        self.client = client
        self.server = server
        # Scopes get copies. A connection that is not encrypted needs none of its own.
        self.http, self.websocket = HTTP_EXTENSIONS, WEBSOCKET_EXTENSIONS
        if tls is not None:
            self.http = {**HTTP_EXTENSIONS, "tls": tls}
            self.websocket = {**WEBSOCKET_EXTENSIONS, "tls": tls}
        # The latest request, because clients repeat their fields, and often all of it: then its
        # scope is remembered, too.
        self.head = b""
        self.scope: Scope | None = None
        self.section = b""
        self.fields: RawFields = []


class ScopeBuilder:
    """Builds scopes; one for each worker, made when its process environment is complete.

    :param state: what the application has put into the state during its startup, None without
        lifespan.
    """

    def __init__(self, config: Config, state: dict[str, Any] | None) -> None:
        self.state = state
        self._script_name = _as_path(read_script_name(os.environ))
        self._trusts_all = "*" in config.forwarded_allow_ips
        self._is_trusted: Callable[[Any], bool] = peer_test(config.forwarded_allow_ips)
        self._forwarder_names = frozenset(config.forwarder_headers)
        self._scheme = SchemeFields(config.secure_scheme_headers)
        self._telling = (_FORWARDED_FOR, *self._scheme.keys)

    def build(self, request: Request, connection: ConnectionInfo, ends: Ends) -> Scope:
        """Return the scope of an HTTP request.

        :raises BadRequest: when the fields of a trusted front-end contradict each other.
        :raises ScriptNameMismatch: when the path is not under SCRIPT_NAME.
        """
        if request.head != ends.head:
            ends.head, ends.scope = request.head, None
            return self._make(request, connection, ends)
        if ends.scope is None:
            ends.scope = self._make(request, connection, ends)
        # What an application may change is copied.
        scope = ends.scope.copy()
        scope["asgi"] = scope["asgi"].copy()
        scope["headers"] = scope["headers"].copy()
        scope["extensions"] = ends.http.copy()
        if self.state is not None:
            scope["state"] = self.state.copy()
        return scope

    def _make(self, request: Request, connection: ConnectionInfo, ends: Ends) -> Scope:
        # Asterisk-form and authority-form have no path (RFC 9112 section 3.2).
        path = raw = request.path or request.uri
        if "%" in path or not path.isascii():
            path = _decoded(path)
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.5"},
            "http_version": "1.1" if request.version == (1, 1) else "1.0",
            "method": request.method.upper(),
            "scheme": connection.scheme,
            "path": path,
            "raw_path": raw.encode("latin-1"),
            "query_string": request.query.encode("latin-1"),
            "root_path": self._script_name,
            "headers": self._fields(request, connection, ends),
            "client": ends.client,
            "server": ends.server,
            "extensions": ends.http.copy(),
        }
        if not request.fields.keys().isdisjoint(self._telling):
            self._believe(scope, request, connection)
        if request.dropped is not None:
            self._take_script_name(scope, request, connection)
        root = scope["root_path"]
        if root and path.startswith("/") and not _is_under(path, root):
            raise ScriptNameMismatch(
                f"the path {path!r} is not under SCRIPT_NAME {root!r}; either the"
                " front-end server must keep the prefix, or it must not be set"
            )
        if self.state is not None:
            scope["state"] = self.state.copy()
        return scope

    def build_websocket(
        self, request: Request, connection: ConnectionInfo, ends: Ends, subprotocols: list[str]
    ) -> Scope:
        """Return the scope of a WebSocket's handshake; raises what :meth:`build` does."""
        scope = self.build(request, connection, ends)
        del scope["method"]
        scope["type"] = "websocket"
        scope["scheme"] = _WEBSOCKET_SCHEMES[scope["scheme"]]
        scope["subprotocols"] = subprotocols
        scope["extensions"] = ends.websocket.copy()
        return scope

    # -- fields ----------------------------------------------------------------------

    def _fields(self, request: Request, connection: ConnectionInfo, ends: Ends) -> RawFields:
        section = request.head.partition(b"\r\n")[2]
        if request.dropped is not None or request.uri[0] != "/":
            # What depends on more than the fields themselves is not remembered.
            return self._read(section, request, connection)
        if section != ends.section:
            ends.section, ends.fields = section, _split(_lines(section))
        return ends.fields.copy()

    def _read(self, section: bytes, request: Request, connection: ConnectionInfo) -> RawFields:
        lines = _lines(section)
        if request.dropped:
            dropped = self._left_out(request.dropped, connection)
            lines = [line for line in lines if line not in dropped]
        found = _split(lines)
        if request.uri[0] != "/" and "HTTP_HOST" in request.fields:
            # RFC 9112 section 3.2.2: the authority of the target replaces Host.
            host = (b"host", request.fields["HTTP_HOST"].encode("latin-1"))
            found = [host, *(pair for pair in found if pair[0] != b"host")]
        return found

    def _left_out(self, dropped: set[str], connection: ConnectionInfo) -> set[bytes]:
        """Return the lines that header_map drops and no trusted front-end vouches for."""
        if self._is_trusted(connection.peer):
            dropped = {line for line in dropped if _key(line) not in self._forwarder_names}
        return {line.encode("latin-1") for line in dropped}

    # -- what front-ends say ---------------------------------------------------------

    def _believe(self, scope: Scope, request: Request, connection: ConnectionInfo) -> None:
        """Believe a trusted front-end about its client's scheme and address."""
        if not self._is_trusted(connection.peer):
            return
        if any(key in request.fields for key in self._scheme.keys):
            scope["scheme"] = self._scheme.read(request)
        if _FORWARDED_FOR in request.fields and connection.proxy is None:
            client = self._client(request.fields[_FORWARDED_FOR])
            if client:
                scope["client"] = (client, 0)

    def _client(self, value: str) -> str:
        """Return the last address that no trusted front-end has, or the first of all."""
        hosts = [host.strip(" \t") for host in value.split(",")]
        if not self._trusts_all:
            for host in reversed(hosts):
                if not self._is_listed(host):
                    return host
        return hosts[0]

    def _is_listed(self, host: str) -> bool:
        try:
            return self._is_trusted((host, 0))
        except ValueError:
            return False  # not an address: a name, or an address with its port

    def _take_script_name(self, scope: Scope, request: Request, connection: ConnectionInfo) -> None:
        if "SCRIPT_NAME" not in self._forwarder_names or not self._is_trusted(connection.peer):
            return
        for line in request.dropped or ():
            if _key(line) == "SCRIPT_NAME":
                value = line.partition(":")[2].strip(" \t")
                scope["root_path"] = _decoded(value).rstrip("/")


def _lines(section: bytes) -> list[bytes]:
    return section.split(b"\r\n") if section else []


def _split(lines: list[bytes]) -> RawFields:
    parts = [line.partition(b":") for line in lines]
    # What is left to strip after the parser's checks can only be spaces and tabs.
    return [(name.lower(), value.strip()) for name, _, value in parts]


def _key(line: str) -> str:
    return line.partition(":")[0].upper().replace("-", "_")


def _decoded(path: str) -> str:
    """Decode a path's escapes, and the UTF-8 that results."""
    return unquote_to_bytes(path.encode("latin-1")).decode("utf-8", "replace")


def _as_path(script_name: str) -> str:
    return script_name.encode("latin-1").decode("utf-8", "replace")


def _is_under(path: str, root: str) -> bool:
    return path.startswith(root) and path[len(root) :][:1] in ("", "/")
