"""The servers that are compared: how each is installed, and the command that runs it.

Each server lives in a virtual environment of its own under ``benchmarks/.venv``,
as it would where it is deployed: what else is installed can cost start-up time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
ENVIRONMENTS = HERE / ".venv"


@dataclass(frozen=True)
class Server:
    """One server; ``{port}`` in its command stands for the port."""

    name: str
    requirements: tuple[str, ...]
    command: tuple[str, ...]
    from_checkout: bool = False
    note: str = ""
    home: str = ""
    """The name of the environment, where it is not the server's own."""
    tls: bool = False
    """Whether it speaks HTTPS."""

    @property
    def environment(self) -> Path:
        return ENVIRONMENTS / (self.home or self.name)

    def arguments(self, port: int) -> list[str]:
        program, *rest = (part.format(port=port) for part in self.command)
        return [str(self.environment / "bin" / program), *rest]


SERVERS = (
    Server(
        "corn",
        (str(ROOT), str(ROOT / "plugins" / "corn-sync")),
        ("corn", "--bind", "127.0.0.1:{port}", "--workers", "1", "hello:app"),
        from_checkout=True,
    ),
    Server(
        "gunicorn",
        ("gunicorn",),
        ("gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "1", "hello:app"),
    ),
    Server(
        "granian",
        ("granian",),
        (
            *("granian", "--interface", "wsgi", "--http", "1", "--host", "127.0.0.1"),
            *("--port", "{port}", "--workers", "1", "--blocking-threads", "1", "hello:app"),
        ),
    ),
    Server(
        "bjoern",
        ("bjoern",),
        ("python", "bjoern_hello.py", "{port}"),
        note="needs a C compiler and libev's headers (Debian: gcc, libev-dev)",
    ),
)


def missing_tools(*others: str) -> str:
    """Name what a comparison needs and this machine does not have; empty when all is there."""
    missing = [tool for tool in ("wrk", "taskset", *others) if shutil.which(tool) is None]
    return ", ".join(missing) or ("" if (os.cpu_count() or 1) > 1 else "a core")


def install(server: Server) -> str | None:
    """Make the server's environment; return why that was not possible, or None."""
    python = server.environment / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", server.environment], check=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if server.from_checkout:
        # The checkout may have changed since, under the same version.
        places = [Path(each) for each in server.requirements if os.sep in each]
        names = ["corn-core", *(place.name for place in places if place != ROOT)]
        subprocess.run([python, "-m", "pip", "uninstall", "--quiet", "--yes", *names], check=True)
    outcome = subprocess.run([*command, *server.requirements], capture_output=True, text=True)
    if outcome.returncode == 0:
        return None
    lines = [line for line in outcome.stderr.splitlines() if line.startswith("ERROR")]
    return f"{lines[-1] if lines else 'pip failed'}; {server.note}"


def version(server: Server) -> str:
    """Return the installed version of the server."""
    distribution = "corn-core" if server.from_checkout else server.requirements[0]
    code = f"from importlib.metadata import version; print(version({distribution!r}))"
    python = server.environment / "bin" / "python"
    return subprocess.check_output([python, "-c", code], text=True).strip()
