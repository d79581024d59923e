"""corn-greenlets: the driver that corn-gevent and corn-eventlet share."""

__version__ = "0.1.0"
