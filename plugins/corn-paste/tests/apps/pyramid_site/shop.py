"""A Pyramid application made by hand."""

import logging
import os

from pyramid.config import Configurator

log = logging.getLogger(__name__)


def front(request):
    log.info("the front page is asked for")
    mode = os.environ.get("SHOP_MODE")
    return {"title": request.registry.settings["shop.title"], "mode": mode, "pid": os.getpid()}


def fail(request):
    raise RuntimeError("on purpose")


def main(global_config, **settings):
    with Configurator(settings=settings) as config:
        config.add_route("front", "/")
        config.add_view(front, route_name="front", renderer="json")
        config.add_route("fail", "/fail")
        config.add_view(fail, route_name="fail")
        return config.make_wsgi_app()
