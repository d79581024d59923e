"""An ASGI application that forks, and answers with the child's process id when that has ended."""

import asyncio
import os
import signal

import anyio


async def send_answer(send, text):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": text})


async def answer(send):
    """Answer twice: the worker and its child."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    await send_answer(send, b"%d" % child)


async def answer_and_ignore(send):
    """Send from the child, whatever comes of it."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    try:
        await send_answer(send, b"%d" % child)
    except BaseException:
        await send_answer(send, b"the child's second try")


async def go_on(send):
    """Go back to the loop with the child."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    else:
        await asyncio.sleep(0)
    await send_answer(send, b"%d" % child)


async def wait(send):
    """Wait in the child for what the loop will bring."""
    ready = asyncio.get_running_loop().create_future()
    child = os.fork()
    if not child:
        await ready
    os.waitpid(child, 0)
    await send_answer(send, b"%d" % child)


async def after(send):
    """Fork when the answer has been sent."""
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"0"})
    if not os.fork():
        return
    os.wait()


async def asyncio_thread(send):
    await send_answer(send, b"%d" % await asyncio.to_thread(in_thread))


async def anyio_thread(send):
    await send_answer(send, b"%d" % await anyio.to_thread.run_sync(in_thread))


def in_thread():
    """Fork in a thread, where both processes return."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    return child


async def stay(send):
    """Leave a child behind, which lives on."""
    child = os.fork()
    if not child:
        try:
            signal.pause()
        finally:
            os._exit(0)
    await send_answer(send, b"%d" % child)


VIEWS = {
    f"/{view.__name__}": view
    for view in (answer, answer_and_ignore, go_on, wait, after, asyncio_thread, anyio_thread, stay)
}


async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        child = os.fork()
        if child:
            os.waitpid(child, 0)
        await send({"type": "websocket.send", "text": str(child)})
        await send({"type": "websocket.close"})
    elif scope["type"] == "http":
        if scope["path"] == "/pid":
            await send_answer(send, b"%d" % os.getpid())
        else:
            await VIEWS[scope["path"]](send)
    else:
        raise NotImplementedError("HTTP and WebSockets only")
