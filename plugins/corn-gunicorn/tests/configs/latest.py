"""Settings that came with versions 20 to 27."""

bind = "127.0.0.1:0"
wsgi_app = "shop:app"
reuse_port = True
reload_engine = "inotify"
header_map = "dangerous"
forwarder_headers = "SCRIPT_NAME,PATH_INFO"
http_protocols = "h2,h1"
http2_max_concurrent_streams = 250
http2_cleartext = "prior-knowledge"
protocol = "uwsgi"
uwsgi_allow_ips = "*"
root_path = "/api"
http_parser = "fast"
control_socket = "/run/shop.ctl"
dirty_apps = ["shop.tasks:Mailer"]
dirty_workers = 2
enable_backlog_metric = True


def dirty_post_fork(arbiter, worker):
    pass
