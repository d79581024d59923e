"""A server behind a proxy on the same machine: `corn -c examples/proxy.conf.py`.

The proxy has to set X-Forwarded-Proto itself, whatever its clients send.
"""

wsgi_app = "hello:app"
chdir = "examples"

bind = ["127.0.0.1:8000"]
workers = 2

# Who may say that the client used https, and how they say it.
forwarded_allow_ips = ["127.0.0.1", "::1"]
secure_scheme_headers = {"X-Forwarded-Proto": "https"}

# The address in the access log would be the proxy's: take the one that it passes on.
accesslog = "-"
access_log_format = '%({x-forwarded-for}i)s %(t)s "%(r)s" %(s)s %(b)s %(D)s'

# The proxy's own limits are reached first.
limit_request_body = 32 * 1024 * 1024
timeout = 60
