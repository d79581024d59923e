"""The text of ``corn -h``: the settings that most people use, by what they are used for."""

from __future__ import annotations

from collections.abc import Iterator

from corn_core.setting import Setting
from corn_core.settings.commandline import value_name
from corn_core.settings.registry import Registry

INTRODUCTION = """\
corn serves Python web applications: corn [OPTIONS] [MODULE:APP]

  corn app:app --reload                         restart when the code changes
  corn app:app -b :8080 -w 4 --access-logfile - four processes, an access log
  corn -c deploy.py                             all of that in a config file
"""

CLOSING = """\
More: corn -h all (every option), --plugins (what is installed), --version,
      --man (the manual page), --completion SHELL (bash, zsh or fish)
"""

TASKS = {
    "Listen": {
        "bind": "HOST:PORT, :PORT or unix:PATH",
        "certfile": "serve HTTPS with this certificate",
        "keyfile": "and this private key",
    },
    "Serve": {
        "workers": "processes",
        "worker_class": "how requests share one",
        "threads": "requests at once in each, -k gthread",
        "preload_app": "load the application before forking",
    },
    "Limit": {
        "timeout": "kill a worker stuck for so long",
        "graceful_timeout": "to finish requests when stopping",
        "keepalive": "how long an idle connection stays",
        "max_requests": "replace a worker after so many",
        "max_worker_memory": "or when it has grown so large",
        "limit_request_body": "refuse longer bodies",
    },
    "Log": {
        "accesslog": "a line for each request; - is the screen",
        "errorlog": "the server's messages",
        "loglevel": "how many of them",
        "logger_class": "how they look, json for example",
        "metrics_bind": "where Prometheus reads metrics",
        "statsd_host": "where metrics are sent",
    },
    "Proxy": {
        "forwarded_allow_ips": "whose X-Forwarded-Proto is believed",
        "proxy_protocol": "the proxy sends the PROXY protocol",
    },
    "Deploy": {
        "config": "read this instead of ./corn.conf.py",
        "chdir": "where the application is",
        "raw_env": "set a variable first",
        "user": "run the workers as this user",
        "group": "and this group",
        "pidfile": "where to write the process id",
        "static": "serve the files of a directory too",
    },
    "Develop": {
        "reload": "restart when code changes",
        "check_config": "load everything, report what is wrong",
        "print_config": "every setting, and where it came from",
    },
}
"""What settings are used for, each with a phrase that follows its flags."""

FLAGS_WIDTH = 30
WIDTH = 80


def guide(registry: Registry) -> str:
    """Format the text of ``corn -h``, with the settings that the installed plugins have."""
    return "\n".join([INTRODUCTION, *_lines(registry), "", CLOSING])


def _lines(registry: Registry) -> Iterator[str]:
    margin = max(map(len, TASKS)) + 2
    for task, phrases in TASKS.items():
        heading = task
        for name, phrase in phrases.items():
            setting = registry.get(name)
            if setting is not None:
                line = f"{heading:{margin}}{_flags(setting):{FLAGS_WIDTH}} {phrase}"
                default = _default(setting)
                yield line + default if len(line + default) <= WIDTH else line
                heading = ""


def _flags(setting: Setting) -> str:
    """Return a short flag and a long one, in columns, and what they take if there is room."""
    short = next((f"{flag}," for flag in setting.flags if not flag.startswith("--")), "")
    long = next(flag for flag in setting.flags if flag.startswith("--"))
    whole = f"{short:4}{long} {value_name(setting)}".rstrip()
    return whole if len(whole) <= FLAGS_WIDTH else f"{short:4}{long}"


def _default(setting: Setting) -> str:
    """Return the default in brackets, if it is a word or a number that tells something."""
    default = setting.default
    if setting.default_text or isinstance(default, bool) or not default:
        return ""
    if isinstance(default, int | float):
        return f" [{default:g}]" if default < 100_000 else ""
    return f" [{default}]" if isinstance(default, str) and default.isalnum() else ""
