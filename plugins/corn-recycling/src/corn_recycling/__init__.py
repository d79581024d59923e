"""corn-recycling: replaces workers that have grown too large or too old."""

__version__ = "0.1.0"
