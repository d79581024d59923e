"""corn-asyncio: the drivers that corn-tornado and corn-aiohttp share."""

__version__ = "0.1.0"
