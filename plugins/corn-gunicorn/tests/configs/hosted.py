"""For a host that sets PORT and WEB_CONCURRENCY, with nginx in front that waits for a file."""

import os

workers = int(os.environ.get("WEB_CONCURRENCY", 2))
threads = int(os.environ.get("MAX_THREADS", 1))
timeout = int(os.environ.get("WEB_TIMEOUT", 20))
forwarded_allow_ips = "*"
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"}
worker_tmp_dir = "/dev/shm"
preload_app = True
max_requests = 1200
max_requests_jitter = 50
accesslog = "-"
access_log_format = '%({x-request-id}i)s "%(r)s" %(s)s %(b)s %(L)s'


def when_ready(server):
    open("initialized", "w").close()
