"""Drivers and connections: they move bytes between sockets, HTTP engine and request cycle."""
