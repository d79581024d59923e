"""The quickstart of Starlette."""

from starlette.applications import Starlette
from starlette.responses import FileResponse, JSONResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute


async def root(request):
    return JSONResponse({"message": "hello"})


async def create(request):
    return JSONResponse(await request.json())


async def file(request):
    return FileResponse(__file__)


async def stream(request):
    return StreamingResponse(f"{number}\n" for number in range(3))


async def socket(websocket):
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(f"echo {text}")


app = Starlette(
    routes=[
        Route("/", root),
        Route("/items", create, methods=["POST"]),
        Route("/file", file),
        Route("/stream", stream),
        WebSocketRoute("/ws", socket),
    ]
)
