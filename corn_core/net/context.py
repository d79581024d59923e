"""Makes a TLS context from the settings, and says clearly what is wrong with them.

Only a server that speaks TLS imports this module, because it imports ``ssl``.
"""

from __future__ import annotations

import re
import ssl

from corn_core.config import Config
from corn_core.errors import ConfigError

_CERTIFICATE = re.compile(rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----")
_KEY = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----")


def check_files(config: Config) -> None:
    """Check that the files exist and can be read.

    :raises ConfigError: names the setting, the file and the reason.
    """
    for name in ("certfile", "keyfile", "ca_certs"):
        if getattr(config, name) is not None:
            _read(config, name)


def make_context(config: Config) -> ssl.SSLContext:
    """Make the context that the settings describe.

    :raises ConfigError: names the setting that cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # The system's own policy may require more than this.
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    # Otherwise a client could make the server compute handshakes forever on one connection.
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    _load_certificate(context, config)
    _ask_clients(context, config)
    if config.ciphers is not None:
        try:
            context.set_ciphers(config.ciphers)
        except ssl.SSLError:
            raise _refusal(config, "ciphers", "OpenSSL does not know such a cipher") from None
    return context


def _load_certificate(context: ssl.SSLContext, config: Config) -> None:
    if config.certfile is None:
        raise _refusal(config, "keyfile", "a key needs a certificate; set certfile too")
    holder = "certfile" if config.keyfile is None else "keyfile"
    if not _CERTIFICATE.search(_read(config, "certfile")):
        raise _refusal(config, "certfile", "there is no certificate in the file, in PEM form")
    if not _KEY.search(_read(config, holder)):
        other = ", and keyfile is not set" if holder == "certfile" else ""
        raise _refusal(config, holder, f"there is no private key in the file, in PEM form{other}")
    asked = False

    def password() -> str:
        # Without this function OpenSSL would prompt on the terminal, if there is one.
        nonlocal asked
        asked = True
        if config.keyfile_password is None:
            reason = "the key is encrypted, and keyfile_password is not set"
            raise _refusal(config, holder, reason)
        password: str = config.keyfile_password
        return password

    try:
        context.load_cert_chain(config.certfile, config.keyfile, password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            reason = f"the key does not belong to the certificate in {config.certfile!r}"
        elif asked:
            reason = "the key cannot be decrypted with keyfile_password"
        else:
            reason = f"certificate and key cannot be used: {explained(error)}"
        raise _refusal(config, holder, reason) from None
    except OSError as error:
        # It was there a moment ago.
        raise _refusal(config, holder, str(error.strerror)) from None


def _ask_clients(context: ssl.SSLContext, config: Config) -> None:
    if config.ca_certs is not None:
        try:
            context.load_verify_locations(config.ca_certs)
        except ssl.SSLError as error:
            reason = f"there are no usable certificates in the file: {explained(error)}"
            raise _refusal(config, "ca_certs", reason) from None
    elif config.cert_reqs:
        reason = "client certificates cannot be verified unless ca_certs is set"
        raise _refusal(config, "cert_reqs", reason)
    context.verify_mode = ssl.VerifyMode(config.cert_reqs)


def explained(error: ssl.SSLError) -> str:
    """Return the reason in words, without the position in OpenSSL's own code."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return (error.reason or str(error.strerror or error)).replace("_", " ").lower()


def _read(config: Config, name: str) -> bytes:
    try:
        with open(getattr(config, name), "rb") as file:
            return file.read()
    except OSError as error:
        raise _refusal(config, name, f"it cannot be read: {error.strerror}") from None


def _refusal(config: Config, name: str, reason: str) -> ConfigError:
    return ConfigError(f"{name} {getattr(config, name)!r}: {reason} ({config.origin(name)})")
