"""corn-aiohttp: a worker that serves aiohttp applications, and WSGI applications in threads."""

__version__ = "0.1.0"
