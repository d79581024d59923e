"""nginx in the foreground, with everything that it writes in one directory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def configuration(home: Path, http: str, access_log: str = "off") -> str:
    """Make a configuration.

    :param home: where nginx writes.
    :param http: what else is in its block ``http``.
    :param access_log: where requests are logged, and by which format.
    """
    temporary = "\n".join(
        f"    {name}_temp_path {home}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""
daemon off;
master_process off;
pid {home}/nginx.pid;
error_log {home}/nginx.error;
events {{}}
http {{
{temporary}
    {http}
    access_log {access_log};
}}
"""


def command(home: Path, http: str, access_log: str = "off") -> Sequence[str]:
    """Write a configuration, and return the command that runs nginx with it."""
    (home / "nginx.conf").write_text(configuration(home, http, access_log))
    return ["nginx", "-p", str(home), "-c", str(home / "nginx.conf")]
