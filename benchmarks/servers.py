"""The servers that are compared: how each is installed, and the command that runs it.

Each product lives in a virtual environment of its own under ``benchmarks/.venv``, as it would where
it is deployed. All have the same frameworks, because what else is installed can cost start-up time.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import distributions
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
THREADS = 32
"""Threads of each server that has a number of them."""
FRAMEWORKS = ("flask", "django", "fastapi")
PLUGINS = (
    *("sync", "gthread", "greenlets", "gevent", "eventlet"),
    *("asyncio", "tornado", "aiohttp", "asgi"),
)
"""The distributions of the workers, and those that they share."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment, which servers of one product share."""

    name: str
    requirements: tuple[str, ...]
    distribution: str = ""
    """The one whose version counts, where it has not the environment's name."""
    sources: tuple[Path, ...] = ()
    """Directories that are installed from this checkout."""
    note: str = ""

    @property
    def path(self) -> Path:
        return HERE / ".venv" / self.name

    def install(self) -> str | None:
        """Make the environment unless it is up to date; return why that was not possible, or None.

        :raises subprocess.CalledProcessError: when this Python has no working ``venv``.
        """
        stamp = self.path / "installed"
        wanted = "\n".join((sys.version, *self.requirements))
        if (
            stamp.exists()
            and stamp.read_text() == wanted
            and stamp.stat().st_mtime > self._newest()
        ):
            return None
        print(f"installing {self.name}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", self.path], check=True)
        pip = [str(self.path / "bin" / "python"), "-m", "pip", "--quiet"]
        wishes = [*FRAMEWORKS, *self.requirements, *map(str, self.sources)]
        command = [*pip, "--disable-pip-version-check", "install", *wishes]
        outcome = subprocess.run(command, capture_output=True, text=True)
        if outcome.returncode:
            errors = [line for line in outcome.stderr.splitlines() if line.startswith("ERROR")]
            return "; ".join([errors[-1] if errors else "pip failed", *filter(None, [self.note])])
        stamp.write_text(wanted)
        return None

    def _newest(self) -> float:
        """Return when a file of the sources changed last; 0 without sources."""
        code = [ROOT / "corn_core", *(path / "src" for path in self.sources if path != ROOT)]
        files = (file for path in code for file in path.rglob("*.py")) if self.sources else ()
        manifests = (path / "pyproject.toml" for path in self.sources)
        return max((file.stat().st_mtime for file in (*files, *manifests)), default=0.0)

    def version(self) -> str:
        """Return the version of the installed product."""
        name = self.distribution or self.name
        places = [str(path) for path in self.path.glob("lib/python*/site-packages")]
        (found,) = distributions(name=name, path=places)
        return found.version


CORN = Environment(
    "corn",
    ("uvloop",),
    distribution="corn-core",
    sources=(ROOT, *(ROOT / "plugins" / f"corn-{name}" for name in PLUGINS)),
)
GUNICORN = Environment("gunicorn", ("gunicorn", "gevent", "tornado", "packaging"))
GRANIAN = Environment("granian", ("granian", "uvloop"))
UVICORN = Environment("uvicorn", ("uvicorn", "uvloop", "httptools", "websockets"))
WAITRESS = Environment("waitress", ("waitress",))
BJOERN = Environment(
    "bjoern", ("bjoern",), note="needs a C compiler and libev's headers (Debian: gcc, libev-dev)"
)

TLS, LOG, FOUR = "TLS", "access log", "four workers"
"""Features, which servers have options for."""


@dataclass(frozen=True, eq=False)
class Server:
    """One server with one process; ``{port}`` and ``{directory}`` in its arguments are filled in.

    :param groups: words that scenarios, and the command line, choose servers by.
    :param features: more arguments, by feature; where one is missing, the server is left out.
    :param peers: the names of the servers that it is compared with.
    :param quick: whether ``make bench ARGS=quick`` has it.
    """

    name: str
    environment: Environment
    arguments: tuple[str, ...]
    groups: tuple[str, ...]
    features: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    peers: tuple[str, ...] = ()
    quick: bool = False
    environ: Mapping[str, str] = field(default_factory=dict)

    def command(self, port: int, app: str, options: Sequence[str] = ()) -> list[str]:
        program, *rest = (part.format(port=port) for part in self.arguments)
        return [str(self.environment.path / "bin" / program), *rest, *options, app]

    def options(self, feature: str, directory: str) -> list[str]:
        """Return the arguments of a feature, or none without one.

        :param directory: where the certificate is, and logs may be written.
        """
        templates = self.features[feature] if feature else ()
        return [template.format(directory=directory) for template in templates]


WITH_THREADS = ("--threads", str(THREADS))
FLAGS = {
    TLS: ("--certfile", "{directory}/certificate.pem", "--keyfile", "{directory}/key.pem"),
    LOG: ("--access-logfile", "{directory}/access.log"),
    FOUR: ("--workers", "4"),
}
"""Those of Gunicorn, which corn shares."""


def corn(worker: str, *options: str, groups: Sequence[str], peers: Sequence[str]) -> Server:
    kind = "asgi" if worker == "asgi" else "wsgi"
    common = ("corn", "--bind", "127.0.0.1:{port}", "-k", worker, "--keep-alive", "75", "-w", "1")
    return Server(
        f"corn {worker}",
        CORN,
        (*common, *options),
        (kind, "workers", *groups),
        FLAGS,
        tuple(peers),
        quick=worker in ("gthread", "asgi"),
    )


def gunicorn(worker: str, *options: str, groups: Sequence[str] = ()) -> Server:
    common = ("gunicorn", "--bind", "127.0.0.1:{port}", "-k", worker, "--keep-alive", "75")
    name, arguments = f"gunicorn {worker}", (*common, "-w", "1", *options)
    groups = ("wsgi", "workers", *groups)
    return Server(name, GUNICORN, arguments, groups, FLAGS, quick=worker == "gthread")


def granian(kind: str, *options: str, groups: Sequence[str]) -> Server:
    common = ("granian", "--interface", kind, "--http", "1", "--host", "127.0.0.1")
    # Its access log goes to the standard output, which is a file here.
    features = {
        TLS: (
            *("--ssl-certificate", "{directory}/certificate.pem"),
            *("--ssl-keyfile", "{directory}/key.pem"),
        ),
        LOG: ("--access-log",),
        FOUR: ("--workers", "4"),
    }
    arguments = (*common, "--port", "{port}", "--workers", "1", *options)
    return Server(f"granian {kind}", GRANIAN, arguments, (kind, *groups), features, quick=True)


SERVERS = (
    corn(
        *("gthread", *WITH_THREADS),
        groups=("threads", "overlapping"),
        peers=("granian wsgi", "gunicorn gthread"),
    ),
    granian("wsgi", "--blocking-threads", str(THREADS), groups=("threads", "overlapping")),
    gunicorn("gthread", *WITH_THREADS, groups=("threads", "overlapping")),
    Server(
        "waitress",
        WAITRESS,
        (
            *("waitress-serve", "--listen=127.0.0.1:{port}", f"--threads={THREADS}"),
            # By default it has 100 connections at most, and select() knows no more than 1,024.
            *("--connection-limit=2000", "--asyncore-use-poll"),
        ),
        ("wsgi", "threads", "overlapping"),
    ),
    corn("sync", groups=(), peers=("gunicorn sync",)),
    gunicorn("sync"),
    Server("bjoern", BJOERN, ("python", "bjoern_server.py", "{port}"), ("wsgi",)),
    corn("gevent", groups=("overlapping",), peers=("gunicorn gevent",)),
    corn("eventlet", groups=("overlapping",), peers=("gunicorn gevent",)),
    gunicorn("gevent", groups=("overlapping",)),
    corn("tornado", groups=(), peers=("gunicorn tornado",)),
    corn("aiohttp", groups=(), peers=("gunicorn tornado",)),
    gunicorn("tornado"),
    corn(
        *("asgi", "--asgi-loop", "uvloop", "--worker-connections", "2000"),
        groups=("overlapping",),
        peers=("uvicorn", "granian asgi"),
    ),
    Server(
        "uvicorn",
        UVICORN,
        (
            *("uvicorn", "--port", "{port}", "--loop", "uvloop", "--http", "httptools"),
            *("--ws", "websockets", "--timeout-keep-alive", "75"),
            *("--no-access-log", "--log-level", "error"),
        ),
        ("asgi", "overlapping"),
        {
            TLS: (
                *("--ssl-certfile", "{directory}/certificate.pem"),
                *("--ssl-keyfile", "{directory}/key.pem"),
            ),
            LOG: ("--access-log", "--log-level", "info"),
        },
        quick=True,
    ),
    granian("asgi", "--loop", "uvloop", groups=("overlapping",)),
)

BY_NAME = {server.name: server for server in SERVERS}


def prepare(servers: Sequence[Server]) -> dict[str, str]:
    """Install what servers need; returns the names of those that cannot be run, and why."""
    environments = dict.fromkeys(server.environment for server in servers)
    problems = {environment: environment.install() for environment in environments}
    return {server.name: problem for server in servers if (problem := problems[server.environment])}
