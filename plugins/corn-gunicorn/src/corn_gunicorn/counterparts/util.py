"""Stands for ``gunicorn.util``, as far as config files and programs use it."""

import os
import sys
from email.utils import formatdate
from typing import Any

from corn_core.plugin import TcpAddress
from corn_core.plugin import load_app as import_app
from corn_core.plugin import parse_address as _parse
from corn_gunicorn.absent import absent

CHUNK_SIZE = 16 * 1024


def getcwd() -> str:
    """Return the working directory."""
    return os.getcwd()


def parse_address(netloc: str, default_port: str = "8000") -> Any:
    """Return the host and port of an address, or the path of a unix socket."""
    address = _parse(netloc)
    if not isinstance(address, TcpAddress):
        return getattr(address, "path", address)
    has_port = netloc.rpartition("]")[2].rpartition(":")[1]
    return address.host, address.port if has_port else int(default_port)


def is_ipv6(addr: str) -> bool:
    """Tell whether a text is an IPv6 address."""
    # lazy: it is large, and this is rarely called
    from ipaddress import AddressValueError, IPv6Address

    try:
        IPv6Address(addr)
    except AddressValueError:
        return False
    return True


def http_date(timestamp: float | None = None) -> str:
    """Format a time as HTTP does."""
    return formatdate(timestamp, usegmt=True)


def check_is_writable(path: str) -> None:
    """Check that a file can be appended to.

    :raises RuntimeError: when it cannot.
    """
    try:
        with open(path, "ab"):
            pass
    except OSError as error:
        raise RuntimeError(f"{path!r} is not writable: {error.strerror}") from error


def to_bytestring(value: str | bytes, encoding: str = "utf8") -> bytes:
    """Encode text; bytes stay as they are."""
    return value if isinstance(value, bytes) else value.encode(encoding)


def bytes_to_str(value: str | bytes) -> str:
    """Decode bytes from latin-1; text stays as it is."""
    return value if isinstance(value, str) else value.decode("latin-1")


def close(sock: Any) -> None:
    """Close a socket; an error of the system does not matter then."""
    try:
        sock.close()
    except OSError:
        pass


def warn(message: str) -> None:
    """Write a warning to standard error."""
    print(f"warning: {message}", file=sys.stderr)


__getattr__ = absent(
    __name__,
    {
        "daemonize": "the setting daemon does it",
        "set_owner_process": "the settings user and group do it",
        "write": "the application returns what is to be sent",
        "write_error": "the application answers, or the server does",
        "write_nonblock": "the application returns what is to be sent",
    },
)

__all__ = [
    "CHUNK_SIZE",
    "bytes_to_str",
    "check_is_writable",
    "close",
    "getcwd",
    "http_date",
    "import_app",
    "is_ipv6",
    "parse_address",
    "to_bytestring",
    "warn",
]
