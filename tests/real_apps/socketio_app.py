"""A Flask application with Flask-SocketIO: served as `socketio_app:app`.

ASYNC_MODE is Flask-SocketIO's ``async_mode``. With HIDDEN it does not find the module of this name,
as if that were not installed.
"""

from __future__ import annotations

import os
import sys

if hidden := os.environ.get("HIDDEN"):
    sys.modules[hidden] = None  # type: ignore[assignment]

from flask import Flask
from flask_socketio import SocketIO

app = Flask(__name__)
io = SocketIO(app, async_mode=os.environ["ASYNC_MODE"])


@app.get("/")
def index() -> str:
    return "hello"


@io.on("ask")  # type: ignore[untyped-decorator]  # the library has no types
def ask(text: str) -> str:
    return text.upper()
