"""corn-asgi: a worker that serves ASGI 3.0 applications: HTTP, WebSocket and lifespan.

How it is built, lowest first:

- ``messages``, ``response``, ``forwarded``, ``scope`` and everything in ``websocket`` but
  ``connection`` decide what a message means, without I/O. Requests are read by corn's own parser
  (``corn_core.http``), with the limits of every other worker, and responses are framed by its
  encoder. Unit tests drive these modules with bytes and dictionaries.
- ``connection`` is one client's connection: an ``asyncio.Protocol`` on a transport of the event
  loop. That gives TLS by the loop (with corn's own context), and backpressure both ways: the
  transport is paused while the application does not take what has arrived, and ``send`` waits while
  the client does not. The nested poller of corn-asyncio would be faster for WSGI, where a request
  is complete before the application is called; here bodies stream while the application waits, and
  the application shares the loop, so that the loop's own transports are the simpler choice.
- ``call`` is one request in the application: its ``receive`` and ``send``. A body stays in the
  parser's buffer until the application asks for it. There is no queue that could grow.
- ``websocket.connection`` takes the transport over when the handshake asks for a WebSocket.
- ``lifespan`` starts the application before the worker reports that it is ready, so that a failed
  startup is a failed boot, and ends it after the last request.
- ``acceptor`` takes new connections up to ``worker_connections``, reads the PROXY protocol in front
  of TLS, and shares connections with the other workers.
- ``server`` joins these in one event loop per worker, beats the heart, enforces deadlines once a
  second, and drains. ``worker`` is the class behind ``-k asgi``.

A request is begun and ended through ``corn_core.wsgi.native``, so that hooks, access log,
scoreboard, statsd and Prometheus hear of it as they hear of requests to WSGI applications. A
WebSocket is one such request, which ends when the socket does.

Each call of the application is a task of its own, never a pooled one, because libraries key their
state by ``asyncio.current_task()``. From Python 3.12 on its first step runs at once (eager start),
and an application that answers without waiting is done before the loop goes on.
"""

__version__ = "0.1.0"
