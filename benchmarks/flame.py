"""Draw a flame graph of one worker under load: where it spends its time, function by function.

py-spy looks at the worker a few hundred times a second, from outside and without a change of it,
while wrk asks over connections that stay open. The picture is an SVG file for a browser.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from corn_testkit.server import Server

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent / "build"
PY_SPY = Path(sys.executable).with_name("py-spy")
LONGEST = 60

NOT_ALLOWED = """\
py-spy may not look into another process here. Linux allows it to root, and to all users after
`sysctl kernel.yama.ptrace_scope=0`; a container needs the capability SYS_PTRACE; macOS wants
sudo."""


def main() -> int:
    arguments = _arguments()
    if trouble := _missing():
        print(f"error: {trouble}", file=sys.stderr)
        return 1
    BUILD.mkdir(exist_ok=True)
    target = BUILD / f"flame-{arguments.worker}.svg"
    with tempfile.TemporaryDirectory(prefix="corn-flame-") as home:
        options = [f"--worker-class={arguments.worker}", "--keep-alive=75", "--bind=127.0.0.1:0"]
        server = Server(Path(home), [*options, *arguments.options, arguments.app], HERE).started()
        try:
            outcome = _record(server, arguments.seconds, arguments.connections, target)
            server.stop()
        except BaseException:
            # Broad, because no server may be left behind, whatever it is. This shows its log.
            server.kill()
            raise
    return outcome


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make profile ARGS=...", description=__doc__)
    parser.add_argument("-k", dest="worker", default="gthread", help="worker class; gthread")
    parser.add_argument("--app", default="shapes:app", help="an application in benchmarks/")
    parser.add_argument("--seconds", type=_seconds, default=5, help="how long it is looked at; 5")
    parser.add_argument("--connections", type=int, default=32, help="of the load; 32")
    parser.add_argument("options", nargs="*", help="more options of corn, after a --")
    return parser.parse_args()


def _seconds(text: str) -> int:
    seconds = int(text)
    if not 1 <= seconds <= LONGEST:
        raise argparse.ArgumentTypeError(f"expected 1 to {LONGEST}, got {seconds}")
    return seconds


def _missing() -> str | None:
    if shutil.which("wrk") is None:
        return "wrk is not installed, which puts on the load; on Debian: apt-get install wrk"
    if not PY_SPY.exists():
        return f"{PY_SPY} is missing; `make profile` installs it, and so does: pip install py-spy"
    return None


def _record(server: Server, seconds: int, connections: int, target: Path) -> int:
    """Record the only worker while the load is on, and say what came of it."""
    (worker,) = server.wait_for_workers(1)
    load = ["wrk", "-t1", f"-c{connections}", f"-d{seconds + 2}s", server.address.url]
    look = [
        *(str(PY_SPY), "record", "--pid", str(worker), "--duration", str(seconds)),
        *("--rate", "250", "--threads", "--output", str(target)),
    ]
    with subprocess.Popen(load, stdout=subprocess.PIPE, text=True) as wrk:
        done = subprocess.run(look, capture_output=True, text=True, timeout=seconds + 60)
        report, _ = wrk.communicate(timeout=60)
    if done.returncode:
        said = done.stdout + done.stderr
        print(said.strip(), file=sys.stderr)
        if "ermission" in said or "not permitted" in said:
            print(f"error: {NOT_ALLOWED}", file=sys.stderr)
        return 1
    print(report.strip().splitlines()[-2].strip(), "while it was looked at")
    print(f"wrote {target}; a browser shows it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
