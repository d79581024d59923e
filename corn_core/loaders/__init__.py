"""Turns a text such as ``shop.wsgi:app`` into a WSGI application, or into a clear error."""

from corn_core.loaders.settings import SETTINGS
from corn_core.loaders.wsgi import WsgiLoader, load_app

__all__ = ["SETTINGS", "WsgiLoader", "load_app"]
