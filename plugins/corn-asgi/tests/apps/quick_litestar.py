"""The quickstart of Litestar."""

from litestar import Litestar, WebSocket, get, post, websocket
from litestar.response import Stream


@get("/")
async def root() -> dict[str, str]:
    return {"message": "hello"}


@post("/items", status_code=200)
async def create(data: dict[str, object]) -> dict[str, object]:
    return data


@get("/stream")
async def stream() -> Stream:
    async def parts():
        for number in range(3):
            yield f"{number}\n"

    return Stream(parts())


@websocket("/ws")
async def socket(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_data():
        await socket.send_text(f"echo {text}")


app = Litestar([root, create, stream, socket])
