"""Factories of the kinds that PasteDeploy knows, as a Pylons application has them."""

import json
import os


class Wiki:
    def __init__(self, global_conf, settings):
        self.global_conf = global_conf
        self.settings = settings

    def __call__(self, environ, start_response):
        found = {
            "global": self.global_conf,
            "local": self.settings,
            "script": environ["SCRIPT_NAME"],
            "path": environ["PATH_INFO"],
            "by": environ.get("wiki.filter", ""),
            "pid": os.getpid(),
        }
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(found).encode()]


def make_app(global_conf, **settings):
    return Wiki(global_conf, settings)


def fail(global_conf, **settings):
    raise RuntimeError("no wiki today")


def make_nothing(global_conf, **settings):
    return None


def make_map(loader, global_conf, **prefixes):
    """Make a composite: applications by the first part of the path, the longest first."""
    apps = {
        prefix.rstrip("/"): loader.get_app(name, global_conf=global_conf)
        for prefix, name in sorted(prefixes.items(), reverse=True)
    }

    def serve(environ, start_response):
        path = environ["PATH_INFO"]
        prefix = next(prefix for prefix in apps if path.startswith(prefix))
        environ["SCRIPT_NAME"] += prefix
        environ["PATH_INFO"] = path[len(prefix) :]
        return apps[prefix](environ, start_response)

    return serve


def make_filter(global_conf, name):
    def wrap(app):
        def filtered(environ, start_response):
            environ["wiki.filter"] = name
            return app(environ, start_response)

        return filtered

    return wrap
