"""From a text such as ``shop.wsgi:app`` to a WSGI application, or to a clear error."""

from corn_core.loaders.settings import SETTINGS
from corn_core.loaders.wsgi import WsgiLoader, load_app

__all__ = ["SETTINGS", "WsgiLoader", "load_app"]
