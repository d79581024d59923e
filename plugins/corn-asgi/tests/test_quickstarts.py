"""Applications of the usual frameworks under the asgi worker, with the clients that people use."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from pathlib import Path
from signal import SIGTERM

import httpx
import pytest
import websockets
from websockets.exceptions import ConnectionClosed

from corn_testkit.fixtures import Serve

APPS = Path(__file__).with_name("apps")


def quickstart(name: str) -> object:
    skip = pytest.mark.skipif(find_spec(name) is None, reason=f"{name} is not installed")
    # Starlette is light, and what most of the others are built on: it runs every time.
    marks = [skip] if name == "starlette" else [skip, pytest.mark.slow]
    return pytest.param(f"quick_{name}:app", id=name, marks=marks)


NAMES = ("channels", "fastapi", "litestar", "quart", "starlette")
FRAMEWORKS = [quickstart(name) for name in NAMES]


@pytest.mark.parametrize("app", FRAMEWORKS)
def test_quickstart(serve: Serve, app: str) -> None:
    server = serve("-k", "asgi", "--access-logfile=-", app, cwd=APPS)
    url = server.address.url

    async def use() -> int:
        async with httpx.AsyncClient(base_url=url) as client:
            replies = await asyncio.gather(*(client.get("/") for _ in range(20)))
            assert [reply.json() for reply in replies] == [{"message": "hello"}] * 20
            item = {"name": "\xe9", "price": 1.5}
            assert (await client.post("/items", json=item)).json() == item
            async with client.stream("GET", "/stream") as reply:
                assert "".join([part async for part in reply.aiter_text()]) == "0\n1\n2\n"
            assert (await client.get("/nothing")).status_code == 404
        async with websockets.connect(url.replace("http", "ws") + "/ws") as socket:
            for text in ("one", "\u20ac" * 10_000):
                await socket.send(text)
                assert await socket.recv() == f"echo {text}"
            server.signal(SIGTERM)
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
            assert closed.value.rcvd is not None
            return closed.value.rcvd.code

    assert asyncio.run(use()) == 1001
    server.wait()


@pytest.mark.skipif(find_spec("starlette") is None, reason="starlette is not installed")
def test_a_file_of_starlette(serve: Serve) -> None:
    server = serve("-k", "asgi", "quick_starlette:app", cwd=APPS)
    reply = httpx.get(f"{server.address.url}/file")
    assert reply.content == (APPS / "quick_starlette.py").read_bytes()
    server.stop()
