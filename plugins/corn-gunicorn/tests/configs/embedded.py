"""Both the configuration and the application of a larger program, whose options are its own."""

import types

program = types.SimpleNamespace(config={}, multi_process=False)
program.multi_process = True

conf = program.config
conf["addons_path"] = "addons"


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"http "]


bind = "127.0.0.1:8069"
pidfile = ".server.pid"
workers = 4
timeout = 240
max_requests = 2000
