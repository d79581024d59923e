"""An application that the configurations beside it serve."""


def app(environ, start_response):
    body = f"{environ['wsgi.url_scheme']} {environ['REMOTE_ADDR']}\n".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
