"""The TLS settings, and the TLS state that one generation of workers shares.

Without a certificate there is no TLS, and nothing here imports ``ssl``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from corn_core.config import Config
from corn_core.errors import ConfigError
from corn_core.interfaces import Hooks
from corn_core.setting import Expected, Setting, boolean, integer, optional, string

if TYPE_CHECKING:
    from ssl import SSLContext

_SECTION = "SSL"

_CERT_REQS = {"none": 0, "optional": 1, "required": 2}

_PASSWORD_LIMIT = 1024
"""The longest password, in bytes, for which OpenSSL's callback has room."""


def _cert_reqs(raw: object) -> int:
    """Parse a number of ``ssl.VerifyMode``, or its name with or without ``CERT_``."""
    if isinstance(raw, str):
        raw = _CERT_REQS.get(raw.strip().lower().removeprefix("cert_"), raw)
    try:
        return int(integer(0, 2)(raw))
    except Expected:
        raise Expected("0 or none, 1 or optional, 2 or required") from None


def _version(raw: object) -> int | str:
    if isinstance(raw, bool) or not isinstance(raw, int | str):
        raise Expected("the name or the number of a protocol")
    return raw.strip() if isinstance(raw, str) else int(raw)


def _password(raw: object) -> str:
    # Not stripped, because white space may be part of a password.
    try:
        if isinstance(raw, str) and 0 < len(raw.encode()) <= _PASSWORD_LIMIT:
            return raw
    except UnicodeEncodeError:
        pass  # an argument that is not UTF-8, which OpenSSL is given
    raise Expected(f"text of 1 to {_PASSWORD_LIMIT} bytes")


SETTINGS = (
    Setting(
        name="keyfile",
        section=_SECTION,
        parse=optional(string),
        default=None,
        help=(
            "The file with the certificate's private key, as PEM. It is not needed when"
            " certfile holds the key as well. The master reads it, so only the user that starts"
            " the server needs read access."
        ),
        flags=("--keyfile",),
        metavar="FILE",
    ),
    Setting(
        name="keyfile_password",
        section=_SECTION,
        parse=optional(_password),
        default=None,
        help=(
            "The password of an encrypted private key. It can only be set in a config file,"
            " because every user of the machine can see command lines. The file is Python and can"
            " read the password from wherever it is kept."
        ),
        places=("file",),
        secret=True,
    ),
    Setting(
        name="certfile",
        section=_SECTION,
        parse=optional(string),
        default=None,
        help=(
            "The file with the server's certificate, as PEM, followed by those of the authorities"
            " between it and a root that clients know. With it, all addresses in bind speak TLS"
            " 1.2 or newer, and nothing else. It is read at startup and on every reload"
            " (SIGHUP), so a reload puts a renewed certificate into use."
        ),
        flags=("--certfile",),
        metavar="FILE",
    ),
    Setting(
        name="ssl_version",
        section=_SECTION,
        parse=optional(_version),
        default=None,
        help=(
            "Accepted so that old configurations still work, and ignored with a warning. It"
            " selects one exact version of the protocol, by default one that is broken. corn"
            " speaks TLS 1.2 and every newer version the ssl module supports; the hook"
            " ssl_context can set another range."
        ),
        flags=("--ssl-version",),
        metavar="VERSION",
    ),
    Setting(
        name="cert_reqs",
        section=_SECTION,
        parse=_cert_reqs,
        default=0,
        help=(
            "Whether clients are asked for a certificate: 0 or none, 1 or optional, 2 or required"
            " (the values of the ssl module). A certificate that a client does send must be valid"
            " in any case, and its contents are in the environ. 1 and 2 need ca_certs."
        ),
        flags=("--cert-reqs",),
        metavar="MODE",
    ),
    Setting(
        name="ca_certs",
        section=_SECTION,
        parse=optional(string),
        default=None,
        help=(
            "The file with the certificates of the authorities that may issue certificates to"
            " clients, as PEM. Nothing is trusted by default."
        ),
        flags=("--ca-certs",),
        metavar="FILE",
    ),
    Setting(
        name="suppress_ragged_eofs",
        section=_SECTION,
        parse=boolean,
        default=True,
        help=(
            "Treat a connection that ends without TLS's own closing message as closed"
            " properly. Many clients end that way, and HTTP requests carry their own"
            " length. With --no-suppress-ragged-eofs such an end is an error: whatever was being"
            " received is dropped without an answer, and the log says so."
        ),
        flags=("--suppress-ragged-eofs", "--no-suppress-ragged-eofs"),
        action="store_true",
    ),
    Setting(
        name="do_handshake_on_connect",
        section=_SECTION,
        parse=boolean,
        default=False,
        help=(
            "Accepted for old configurations; both values mean the same to corn. A handshake"
            " begins as soon as the client has connected, and never delays another connection;"
            " header_timeout limits how long it may take."
        ),
        flags=("--do-handshake-on-connect",),
        action="store_true",
    ),
    Setting(
        name="ciphers",
        section=_SECTION,
        parse=optional(string),
        default=None,
        help=(
            "The ciphers for TLS 1.2, as a list in OpenSSL's format. The default is the"
            " choice of Python's ssl module. The ciphers of TLS 1.3 are always OpenSSL's own."
        ),
        flags=("--ciphers",),
        metavar="CIPHERS",
    ),
)


def configured(config: Config) -> bool:
    """Tell whether the server speaks TLS."""
    return config.certfile is not None or config.keyfile is not None


def notes(config: Config) -> list[str]:
    """Return notes for the operator about settings that do nothing."""
    said = []
    for name in (setting.name for setting in SETTINGS):
        origin = config.given(name)
        # A file that lists the defaults of all settings asks for nothing.
        if origin is None or getattr(config, name) == config.settings[name].default:
            continue
        if not configured(config):
            said.append(f"{name} has no effect without certfile ({origin})")
        elif name == "ssl_version":
            said.append(
                "ssl_version is ignored: corn speaks TLS 1.2 and newer, unless the hook"
                f" ssl_context says otherwise ({origin})"
            )
    return said


class Tls:
    """The TLS of one generation of workers; made in the master, used in each of them.

    The context is made before the fork, for three reasons. Any error in it is found before
    anything is bound. The files are read while the process may still read them, and a worker
    replaced later does not need them. And workers share the key for session tickets, so that a
    client can resume its session with any of them.

    :param customised: True if the hook ssl_context is implemented. Then the settings may be
        incomplete, and a context that cannot be made from them is an error only when the hook
        asks for it.
    :raises ConfigError: names the setting.
    """

    def __init__(self, config: Config, *, customised: bool) -> None:
        # lazy: it imports ssl
        from corn_core.net.context import check_files

        self._config = config
        self._default: SSLContext | None = None
        check_files(config)
        try:
            self.default_context()
        except ConfigError:
            if not customised:
                raise

    def default_context(self) -> SSLContext:
        """Return the context that the settings describe.

        :raises ConfigError: names the setting that cannot be used.
        """
        # lazy: it imports ssl
        from corn_core.net.context import make_context

        if self._default is None:
            self._default = make_context(self._config)
        return self._default

    def context(self, hooks: Hooks) -> SSLContext:
        """Return a worker's context: the hook's, or the default one.

        :raises HookFailed: when the hook raises.
        :raises ConfigError: when neither gives a usable context.
        """
        # lazy: making this object has imported it
        from ssl import SSLContext

        made = hooks.first("ssl_context", config=self._config, default_factory=self.default_context)
        if made is None:
            return self.default_context()
        if not isinstance(made, SSLContext):
            raise ConfigError(f"hook ssl_context returned {made!r}, not an ssl.SSLContext")
        return made


def prepare(config: Config, hooks: Hooks) -> Tls | None:
    """Make the TLS that a configuration asks for; returns None if it asks for none.

    :raises ConfigError: names the setting that cannot be used.
    """
    if not configured(config):
        return None
    return Tls(config, customised=hooks.bind("ssl_context") is not None)
