"""The manual's custom application, with the name of the module changed."""

import multiprocessing
import os

import corn_core.app


def number_of_workers():
    return (multiprocessing.cpu_count() * 2) + 1


def handler_app(environ, start_response):
    response_body = b"Works fine"
    status = "200 OK"

    response_headers = [
        ("Content-Type", "text/plain"),
    ]

    start_response(status, response_headers)

    return [response_body]


class StandaloneApplication(corn_core.app.BaseApplication):
    def __init__(self, app, options=None):
        self.options = options or {}
        self.application = app
        super().__init__()

    def load_config(self):
        config = {
            key: value
            for key, value in self.options.items()
            if key in self.cfg.settings and value is not None
        }
        for key, value in config.items():
            self.cfg.set(key.lower(), value)

    def load(self):
        return self.application


if __name__ == "__main__":
    options = {
        "bind": "{}:{}".format("127.0.0.1", os.environ.get("TEST_PORT", "8080")),
        "workers": number_of_workers(),
    }
    StandaloneApplication(handler_app, options).run()
