"""The settings of TLS, and what a generation of workers shares of it.

Without a certificate there is no TLS, and then nothing here imports ``ssl``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corn_core.errors import ConfigError
from corn_core.interfaces import Hooks
from corn_core.settings.model import Expected, Setting, boolean, integer, optional, string

if TYPE_CHECKING:
    from ssl import SSLContext

_SECTION = "SSL"

_CERT_REQS = {"none": 0, "optional": 1, "required": 2}

_PASSWORD_LIMIT = 1024
"""Bytes of a password that OpenSSL's callback has room for."""


def _cert_reqs(raw: object) -> int:
    """A number of ``ssl.VerifyMode``, or its name with or without ``CERT_``."""
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
    # Not stripped: white space may be part of it.
    if isinstance(raw, str) and 0 < len(raw.encode()) <= _PASSWORD_LIMIT:
        return raw
    raise Expected(f"text of 1 to {_PASSWORD_LIMIT} bytes")


SETTINGS = (
    Setting(
        name="keyfile",
        section=_SECTION,
        parse=optional(string),
        default=None,
        help=(
            "The file with the private key of the certificate, as PEM. It is not needed when"
            " certfile holds the key as well. The master reads it, so only the user that starts"
            " the server needs to be able to."
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
            "The password of an encrypted private key. It is set in a config file only, since"
            " everybody on the machine can see command lines; the file is Python and may read it"
            " from wherever it is kept."
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
            " between it and a root that clients know. With it, all addresses of bind speak TLS,"
            " 1.2 or newer, and nothing else. It is read at the start and at every reload"
            " (SIGHUP), which is how a renewed certificate comes into use."
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
            " names one exact version of the protocol, by default one that is broken. corn"
            " speaks TLS 1.2 and every newer version that the ssl module knows; the hook"
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
            " (the values of the ssl module). A certificate that a client shows must be good in"
            " any case, and its contents are in the environ. 1 and 2 need ca_certs."
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
            "Take a connection that ends without TLS's own closing message for one that was"
            " closed as it should be. Many clients end that way, and HTTP requests say their own"
            " length. With --no-suppress-ragged-eofs such an end is an error: what was being"
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
            " begins as soon as the client has connected, and never keeps another connection"
            " waiting; header_timeout limits it."
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
            "The ciphers for TLS 1.2, as a list in the form of OpenSSL. Without it the choice is"
            " that of Python's ssl module. The ciphers of TLS 1.3 are always OpenSSL's own."
        ),
        flags=("--ciphers",),
        metavar="CIPHERS",
    ),
)


def configured(config: Any) -> bool:
    """Whether the server speaks TLS."""
    return config.certfile is not None or config.keyfile is not None


def notes(config: Any) -> list[str]:
    """What an operator should know of settings that do nothing."""
    said = []
    for name in (setting.name for setting in SETTINGS):
        origin = config.origin(name)
        if origin.kind == "default" or getattr(config, name) is None:
            continue
        if not configured(config):
            said.append(f"{name} has no effect without certfile ({origin})")
        elif name == "ssl_version":
            said.append(
                "ssl_version is ignored: TLS 1.2 and newer are spoken, unless the hook"
                f" ssl_context says otherwise ({origin})"
            )
    return said


class Tls:
    """The TLS of one generation of workers; made in the master, used in each of them.

    The context is made before the fork. So whatever is wrong with it is known before
    anything is bound; the files are read while the process may still read them, and a worker
    that is replaced at night needs none of them; and workers share the key of session
    tickets, so that a client may resume its session with any of them.

    :param customised: whether the hook ssl_context is implemented. Then the settings need
        not say all there is to say, and a context that cannot be made from them is an error
        only when the hook asks for it.
    :raises ConfigError: names the setting.
    """

    def __init__(self, config: Any, *, customised: bool) -> None:
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
        """The context that the settings describe.

        :raises ConfigError: names the setting that cannot be used.
        """
        # lazy: it imports ssl
        from corn_core.net.context import make_context

        if self._default is None:
            self._default = make_context(self._config)
        return self._default

    def context(self, hooks: Hooks) -> SSLContext:
        """The context of a worker: the hook's, or the default one.

        :raises HookFailed: when the hook does.
        :raises ConfigError: when there is none.
        """
        # lazy: it has been imported when this object was made
        from ssl import SSLContext

        made = hooks.first("ssl_context", config=self._config, default_factory=self.default_context)
        if made is None:
            return self.default_context()
        if not isinstance(made, SSLContext):
            raise ConfigError(f"hook ssl_context returned {made!r}, which is no ssl.SSLContext")
        return made


def prepare(config: Any, hooks: Hooks) -> Tls | None:
    """The TLS that a configuration asks for, or None.

    :raises ConfigError: names the setting that cannot be used.
    """
    if not configured(config):
        return None
    return Tls(config, customised=hooks.bind("ssl_context") is not None)
