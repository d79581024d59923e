"""The logger logfmt: access lines as key=value pairs."""

from corn_core.plugin import SimpleLogger, escape


class LogfmtLogger(SimpleLogger):
    def renderer(self, config):
        return access_line


def access_line(response, request, environ, elapsed):
    fields = {
        "status": response.status_code,
        "bytes": response.sent,
        "seconds": f"{elapsed.total_seconds():.6f}",
        "agent": environ.get("HTTP_USER_AGENT"),
    }
    if request is not None:
        fields = {"method": request.method, "uri": request.uri} | fields
    return " ".join(f"{name}={quoted(value)}" for name, value in fields.items())


def quoted(value):
    text = escape("-" if value is None else str(value))
    return f'"{text}"' if " " in text or "=" in text else text
