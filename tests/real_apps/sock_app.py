"""A Flask application with Flask-Sock's WebSockets: served as `sock_app:app`."""

from __future__ import annotations

from flask import Flask
from flask_sock import Server, Sock

app = Flask(__name__)
sock = Sock(app)


@app.get("/")
def index() -> str:
    return "hello"


@sock.route("/echo")  # type: ignore[untyped-decorator]  # the library has no types
def echo(ws: Server) -> None:
    while True:
        ws.send(ws.receive())


@sock.route("/once")  # type: ignore[untyped-decorator]  # the library has no types
def once(ws: Server) -> None:
    ws.send(ws.receive())


@sock.route("/fail")  # type: ignore[untyped-decorator]  # the library has no types
def fail(ws: Server) -> None:
    ws.receive()
    raise ValueError("the view has failed")
