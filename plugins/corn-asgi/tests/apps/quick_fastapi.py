"""The quickstart of FastAPI, with a lifespan, a body, a stream and a WebSocket."""

from contextlib import asynccontextmanager

from fastapi import BackgroundTasks, FastAPI, WebSocket
from fastapi.responses import StreamingResponse
from pydantic import BaseModel


@asynccontextmanager
async def lifespan(app):
    yield {"greeting": "hello"}


app = FastAPI(lifespan=lifespan)


class Item(BaseModel):
    name: str
    price: float


@app.get("/")
async def root(background: BackgroundTasks):
    background.add_task(print, "in the background", flush=True)
    return {"message": "hello"}


@app.get("/blocking")
def blocking():
    return {"message": "from a thread"}


@app.post("/items")
async def create(item: Item):
    return item


@app.get("/stream")
async def stream():
    async def parts():
        for number in range(3):
            yield f"{number}\n"

    return StreamingResponse(parts())


@app.websocket("/ws")
async def socket(websocket: WebSocket):
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(f"echo {text}")
