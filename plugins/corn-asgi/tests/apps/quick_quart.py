"""The quickstart of Quart."""

from quart import Quart, request, websocket

app = Quart(__name__)


@app.get("/")
async def root():
    return {"message": "hello"}


@app.post("/items")
async def create():
    return await request.get_json()


@app.get("/stream")
async def stream():
    async def parts():
        for number in range(3):
            yield f"{number}\n"

    return parts()


@app.websocket("/ws")
async def socket():
    while True:
        await websocket.send(f"echo {await websocket.receive()}")
