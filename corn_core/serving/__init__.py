"""Drivers: they move bytes between sockets, the HTTP engine and the request cycle."""
