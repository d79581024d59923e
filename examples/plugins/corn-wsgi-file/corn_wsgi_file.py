"""The loader wsgi-file: applications in files that need not be modules."""

import os
import runpy
import traceback

from corn_core.plugin import AppLoadError, ConfigError, hookimpl


class WsgiFileLoader:
    def name(self, config):
        """Return what to call the application, in process titles for example."""
        if not config.wsgi_app:
            raise ConfigError("no application to serve: name a file, as in 'corn site.wsgi'")
        return config.wsgi_app

    def load(self, config):
        """Load the application; in each worker, or in the master with preload_app."""
        path = self.name(config)
        if not os.path.isfile(path):
            raise AppLoadError(f"{path!r}: there is no such file in {os.getcwd()}")
        try:
            names = runpy.run_path(path)
        except Exception as error:
            raise AppLoadError(f"{path!r} failed: {error!r}", traceback.format_exc()) from error
        if not callable(names.get("application")):
            raise AppLoadError(f"{path!r}: it defines no 'application' that can be called")
        return names["application"]


@hookimpl
def corn_app_loader(config):
    app = config.wsgi_app or ""
    # Without such a file it is the module wsgi of a package, as in 'corn shop.wsgi'.
    if config.app_loader == "auto" and app.endswith(".wsgi") and os.path.isfile(app):
        return WsgiFileLoader
    return None
