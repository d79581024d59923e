"""Third parties' plugins, installed beside corn: what they add, and what happens when they fail.

They are installed as far as importlib.metadata can tell: a module and the
metadata of its distribution in a directory of PYTHONPATH.
"""

from __future__ import annotations

from pathlib import Path
from signal import SIGHUP
from textwrap import dedent

import pytest

from corn_testkit.fixtures import Serve
from corn_testkit.server import run
from corn_testkit.waiting import alive, wait_for

GOOD = """
    from corn_core import Setting, hookimpl
    from corn_core.setting import string

    @hookimpl
    def corn_settings():
        return (
            Setting(name="greeting", section="Greeting", parse=string, default="hello",
                    help="What to say at the start.", flags=("--greeting",)),
        )

    @hookimpl
    def when_ready(server):
        server.log.info("%s from the plugin", server.cfg.greeting)
"""


class Installed:
    """A directory with one distribution in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        # The entry points that a run remembers are kept away from other runs.
        self.env = {"PYTHONPATH": str(directory), "XDG_CACHE_HOME": str(directory / "cache")}

    def plugin(self, source: str, group: str = "corn.plugins", target: str = "greeting") -> None:
        (self.directory / "greeting.py").write_text(dedent(source))
        metadata = self.directory / "corn_greeting-1.5.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: corn-greeting\nVersion: 1.5\n"
        )
        (metadata / "entry_points.txt").write_text(f"[{group}]\ngreet = {target}\n")


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    return Installed(tmp_path)


def test_hooks_and_settings_of_a_plugin(serve: Serve, installed: Installed) -> None:
    installed.plugin(GOOD)
    server = serve("probe:app", "--greeting=good morning", env=installed.env)
    server.wait_for_log("good morning from the plugin")
    server.stop()


@pytest.mark.parametrize("command", ["--check-config", "--print-config"])
@pytest.mark.parametrize("source", ["import nothing_of_that_name\n", "raise SystemExit(0)\n"])
def test_a_check_fails_for_a_plugin_that_cannot_be_loaded(
    installed: Installed, command: str, source: str
) -> None:
    installed.plugin(source)
    outcome = run(command, "probe:app", env=installed.env)
    assert outcome.returncode == 1
    last = outcome.stderr.splitlines()[-1]
    assert last.startswith("error: plugin 'greet' could not be loaded (see above); repair")
    assert last.endswith("--disable-plugin greet")
    assert "plugin 'greet' (corn-greeting 1.5) could not be loaded: " in outcome.stderr
    assert run(command, "--disable-plugin=greet", "probe:app", env=installed.env).returncode == 0


COUNTING = (
    GOOD
    + """
    class Counter:
        @hookimpl
        def post_request(self, worker, req):
            worker.log.info("%s counted %s", worker.cfg.greeting, req.path)

    @hookimpl
    def corn_instruments(config):
        return [Counter()] if config.greeting != "nothing" else []
"""
)


def test_an_instrument_is_there_when_it_is_wanted(
    serve: Serve, installed: Installed, tmp_path: Path
) -> None:
    installed.plugin(COUNTING)
    config = tmp_path / "config.py"
    config.write_text("greeting = 'nothing'\n")
    server = serve(f"--config={config}", "probe:app", env=installed.env)
    server.get("/pid")
    config.write_text("greeting = 'something'\n")
    (old,) = server.wait_for_workers(1)
    server.signal(SIGHUP)
    wait_for(lambda: not alive(old), "the old worker to end")
    server.get("/facts")
    server.wait_for_log("something counted /facts")
    server.stop()
    assert "nothing counted" not in server.log


FRAMEWORK = (
    GOOD
    + """
    from corn_core.framework import Framework

    class Loader:
        def __init__(self, text):
            self.text = text

        def load(self, config):
            def app(environ, start_response):
                start_response("200 OK", [])
                return [self.text.encode()]
            return app

        def name(self, config):
            return "the framework's"

    @hookimpl
    def corn_framework(config, directory):
        if config.greeting == "bad":
            return {"workers": 2}
        if config.greeting != "hello":
            return Framework({"workers": "2"}, loader=Loader(f"{config.greeting} {directory}"))
"""
)


def test_a_framework_has_settings_and_an_application(
    serve: Serve, installed: Installed, tmp_path: Path
) -> None:
    installed.plugin(FRAMEWORK)
    server = serve("--greeting=hi", "--chdir=/", cwd=tmp_path, env=installed.env)
    server.wait_for_workers(2)
    assert server.get() == f"hi {tmp_path}"
    server.stop()


def test_a_framework_that_is_none(installed: Installed) -> None:
    installed.plugin(FRAMEWORK)
    outcome = run("--greeting=bad", "probe:app", env=installed.env)
    assert outcome.stderr == "error: corn_framework returned {'workers': 2}, not a Framework\n"
    assert outcome.returncode == 1


def test_settings_of_a_plugin_in_a_config_file(
    serve: Serve, installed: Installed, tmp_path: Path
) -> None:
    installed.plugin(GOOD)
    config = tmp_path / "config.py"
    config.write_text("greeting = 'good evening'\n")
    server = serve(f"--config={config}", "probe:app", env=installed.env)
    server.wait_for_log("good evening from the plugin")
    server.stop()


ENVIRONMENT = """
    import os
    from corn_core import hookimpl
    from corn_core.errors import ConfigError

    @hookimpl
    def corn_environment(config):
        # A configuration has it, or has not.
        return {"GREETING": "from the plugin"} if config.workers == 1 else None

    @hookimpl
    def pre_fork(server):
        server.log.info("GREETING is %r", os.environ.get("GREETING"))

    @hookimpl
    def corn_check_app(config, app):
        print(os.environ.get("GREETING"), app.__name__)
        if config.timeout > 60:
            raise ConfigError("this application must not be served")
"""


def test_plugin_gives_variables(serve: Serve, installed: Installed, tmp_path: Path) -> None:
    """After those of raw_env, and a reload takes them back."""
    installed.plugin(ENVIRONMENT)
    config = tmp_path / "config.py"
    config.write_text("raw_env = ['GREETING=from raw_env']\n")
    server = serve(f"--config={config}", "probe:app", env=installed.env)
    server.wait_for_log("GREETING is 'from the plugin'")
    config.write_text("workers = 2\n")
    server.signal(SIGHUP)
    server.wait_for_log("GREETING is None", count=2)
    server.stop()


def test_plugin_looks_at_what_is_checked(installed: Installed) -> None:
    installed.plugin(ENVIRONMENT)
    outcome = run("--check-config", "probe:app", env=installed.env)
    assert (outcome.returncode, outcome.stdout) == (0, "from the plugin app\n")
    refused = run("--check-config", "--timeout=90", "probe:app", env=installed.env)
    assert refused.returncode == 1
    assert refused.stderr.endswith("error: this application must not be served\n")


def test_help_and_listing_show_the_plugin(installed: Installed) -> None:
    installed.plugin(GOOD)
    assert "--greeting" in run("--help", "all", env=installed.env).stdout
    listing = run("--plugins", env=installed.env).stdout
    (row,) = (line for line in listing.splitlines() if line.startswith("corn-greeting"))
    assert row.split()[:4] == ["corn-greeting", "1.5", "corn.plugins", "greet"]
    assert "when_ready" in row and "corn_settings" in row


@pytest.mark.parametrize("by_variable", [False, True], ids=["flag", "variable"])
def test_disabled_plugin_does_nothing(
    serve: Serve, installed: Installed, by_variable: bool
) -> None:
    installed.plugin(GOOD)
    flags = () if by_variable else ("--disable-plugin=greet",)
    env = installed.env | ({"CORN_DISABLE_PLUGINS": "greet"} if by_variable else {})
    server = serve(*flags, "probe:app", env=env)
    assert server.get() == "hello"
    server.stop()
    assert "from the plugin" not in server.log
    listing = run(*flags, "--plugins", env=env).stdout
    (row,) = (line for line in listing.splitlines() if line.startswith("corn-greeting"))
    assert "disabled" in row


def test_plugin_that_cannot_be_imported_is_reported_once(
    serve: Serve, installed: Installed
) -> None:
    installed.plugin("import a_library_that_is_missing\n")
    server = serve("--workers=2", "probe:app", env=installed.env)
    server.wait_for_log(r"corn-greeting 1\.5.*a_library_that_is_missing")
    assert server.get() == "hello"
    server.stop()
    assert server.log.count("a_library_that_is_missing") == 1


def test_misspelt_hook_of_a_plugin_is_an_error(serve: Serve, installed: Installed) -> None:
    installed.plugin(GOOD.replace("def when_ready(", "def when_raedy("))
    server = serve("probe:app", env=installed.env, wait=False)
    server.wait(1)
    assert "when_raedy" in server.log
    assert "when_ready" in server.log


def test_one_failing_hook_does_not_stop_the_others(
    serve: Serve, installed: Installed, tmp_path: Path
) -> None:
    installed.plugin(
        """
        from corn_core import hookimpl

        @hookimpl
        def on_exit(server):
            raise ValueError("the plugin fails")
        """
    )
    config = tmp_path / "config.py"
    config.write_text("def on_exit(server): server.log.info('the config file is called too')\n")
    server = serve(f"--config={config}", "probe:app", env=installed.env)
    server.tracebacks_expected = True
    server.stop()
    assert "the plugin fails" in server.log
    assert "greet" in server.log
    assert "the config file is called too" in server.log


@pytest.mark.parametrize(
    "name", ["greet", "greeting.Loud", "greeting:Loud", "egg:corn-greeting#greet"]
)
def test_worker_class_of_somebody_else(serve: Serve, installed: Installed, name: str) -> None:
    installed.plugin(
        """
        from corn_sync.worker import SyncWorker

        class Loud(SyncWorker):
            def run(self):
                self.log.info("A LOUD WORKER")
                super().run()
        """,
        group="corn.workers",
        target="greeting:Loud",
    )
    server = serve(f"--worker-class={name}", "probe:app", env=installed.env)
    assert server.get() == "hello"
    server.wait_for_log("A LOUD WORKER")
    server.stop()


AUTHORS = """
    from corn_core.worker import Worker

    class Returning(Worker):
        def run(self):
            return

    class Silent(Worker):
        def run(self):
            import select

            select.select([], [], [])
"""


def test_worker_whose_loop_ends_by_itself(serve: Serve, installed: Installed) -> None:
    installed.plugin(AUTHORS, "corn.workers", "greeting:Returning")
    server = serve("-k", "greet", "probe:app", env=installed.env)
    server.wait_for_log(r"WARNING\] Returning\.run\(\) has returned, but it was not told to stop")
    server.stop()


def test_worker_that_does_not_beat(serve: Serve, installed: Installed) -> None:
    installed.plugin(AUTHORS, "corn.workers", "greeting:Silent")
    server = serve("-k", "greet", "--timeout=1", "probe:app", env=installed.env)
    server.tracebacks_expected = True
    server.wait_for_log(r"silent for .* seconds, and has never called notify\(\)")
    server.kill()


def test_worker_without_a_loop_is_refused(installed: Installed) -> None:
    installed.plugin(AUTHORS.replace("def run", "def rum"), "corn.workers", "greeting:Silent")
    outcome = run("-k", "greet", "probe:app", env=installed.env)
    assert outcome.returncode == 1
    assert outcome.stderr == (
        "error: worker class 'greet' has no method run(self), which is what serves requests\n"
    )
