"""A Flask application that takes forms and files, and streams: served as `flask_app:app`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from flask import Flask, Response, redirect, request

app = Flask(__name__)


@app.get("/")
def index() -> Response:
    response = Response("<h1>Grüße aus Flask</h1>", headers={"X-Query": request.args.get("q", "-")})
    response.set_cookie("first", "1")
    response.set_cookie("second", "2", httponly=True)
    return response


@app.post("/form")
def form() -> dict[str, list[str]]:
    return {name: request.form.getlist(name) for name in sorted(request.form)}


@app.post("/upload")
def upload() -> dict[str, object]:
    file = request.files["file"]
    content = file.read()
    digest = hashlib.sha256(content).hexdigest()
    return {"name": file.filename, "size": len(content), "sha256": digest, **request.form}


@app.get("/stream")
def stream() -> Response:
    def rows() -> Iterator[str]:
        for number in range(1000):
            yield f"{number},{number * number}\n"

    return Response(rows(), mimetype="text/csv")


@app.get("/old")
def old() -> Response:
    return redirect("/?q=new")  # type: ignore[return-value]
