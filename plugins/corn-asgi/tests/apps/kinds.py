"""Applications of other kinds than ASGI 3."""


def wsgi(environ, start_response):
    start_response("200 OK", [])
    return [b"wsgi"]


def asgi2(scope):
    """Stand for an application of ASGI 2."""
