"""The configuration that the recipes share; /srv/shop/corn.conf.py."""

wsgi_app = "shop:app"
bind = "unix:/run/shop/corn.sock"
worker_class = "gthread"
workers = 2
threads = 8
# What a deployment may take: the supervisor waits longer than this before it kills.
graceful_timeout = 30
