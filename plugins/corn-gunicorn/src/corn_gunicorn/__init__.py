"""corn-gunicorn: what configurations and programs written for Gunicorn say, understood by corn."""

__version__ = "0.1.0"
