"""TLS on both families, with a class path, and settings of the parser that came later."""

import ssl

bind = ["127.0.0.1:0"]
certfile = "cert.pem"
keyfile = "key.pem"
ssl_version = ssl.PROTOCOL_TLS
cert_reqs = ssl.CERT_NONE
do_handshake_on_connect = True
worker_class = "gunicorn.workers.gthread.ThreadWorker"
threads = 2
capture_output = True
sendfile = None
pythonpath = None
permit_unconventional_http_method = True
strip_header_spaces = False
permit_obsolete_folding = True
casefold_http_method = True


def worker_abort(worker):
    worker.log.info("aborted")


def ssl_context(config, default_ssl_context_factory):
    context = default_ssl_context_factory()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
