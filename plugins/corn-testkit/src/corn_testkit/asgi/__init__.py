"""For tests of workers that serve ASGI: a WebSocket client of octets, and the cases of RFC 6455."""
