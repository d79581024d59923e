"""The environ variables that describe a TLS connection and its client's certificate."""

from __future__ import annotations

import re
import ssl
from typing import Any

# RFC 4514 section 3. Other names stay as OpenSSL writes them.
_SHORT = {
    "commonName": "CN",
    "countryName": "C",
    "domainComponent": "DC",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "stateOrProvinceName": "ST",
    "streetAddress": "STREET",
    "userId": "UID",
}

# The RFC does not require control characters to be escaped. We escape them because these texts
# end up in logs and in header fields of other requests.
_SPECIAL = re.compile(r'["+,;<>\\]|^[ #]|(?<=.) $|[\x00-\x1f\x7f]')

Name = tuple[tuple[tuple[str, str], ...], ...]
"""A distinguished name as the ssl module returns it."""


def variables(tls: ssl.SSLObject) -> dict[str, Any]:
    """Return the variables of an established connection, for the environ of all its requests.

    They have the names that Apache's mod_ssl uses, which is what applications look for. A client
    cannot forge them: variables made from header fields begin with ``HTTP_``.
    """
    cipher = tls.cipher()
    told: dict[str, Any] = {
        "HTTPS": "on",
        "SSL_PROTOCOL": tls.version() or "",
        "SSL_CIPHER": cipher[0] if cipher else "",
        "SSL_CLIENT_VERIFY": "NONE",
    }
    der = tls.getpeercert(binary_form=True)
    # Without verification there is no content, and the certificate cannot be trusted.
    if der and (content := tls.getpeercert()):
        facts: dict[str, Any] = dict(content)
        told["SSL_CLIENT_VERIFY"] = "SUCCESS"
        told["SSL_CLIENT_CERT"] = ssl.DER_cert_to_PEM_cert(der)
        told["SSL_CLIENT_S_DN"] = distinguished_name(facts["subject"])
        told["SSL_CLIENT_I_DN"] = distinguished_name(facts["issuer"])
        told["SSL_CLIENT_M_SERIAL"] = facts["serialNumber"]
        told["corn.peercert"] = facts
    return told


def distinguished_name(name: Name) -> str:
    """Format a name as text (RFC 4514), each byte as one character (PEP 3333)."""
    parts = (
        "+".join(f"{_SHORT.get(kind, kind)}={_escaped(value)}" for kind, value in part)
        for part in reversed(name)
    )
    return ",".join(parts).encode().decode("latin-1")


def _escaped(value: str) -> str:
    def escape(match: re.Match[str]) -> str:
        character = match[0]
        return (
            f"\\{character}"
            if character >= " " and character != "\x7f"
            else (f"\\{ord(character):02X}")
        )

    return _SPECIAL.sub(escape, value)
