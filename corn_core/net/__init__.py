"""Addresses and the sockets that listen on them."""

from corn_core.net.address import (
    AbstractAddress,
    Address,
    FdAddress,
    TcpAddress,
    UnixAddress,
    parse_address,
)
from corn_core.net.listener import Listener, PathAccess, adopt, bind_all

__all__ = [
    "AbstractAddress",
    "Address",
    "FdAddress",
    "Listener",
    "PathAccess",
    "TcpAddress",
    "UnixAddress",
    "adopt",
    "bind_all",
    "parse_address",
]
