"""The POSIX parts of the server: shared memory, signals, the pidfile, title and environment."""
