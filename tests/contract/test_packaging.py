"""Each distribution works when it is installed from its wheel, away from the repository."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from email import message_from_string
from email.message import Message
from pathlib import Path
from zipfile import ZipFile

import pytest

from corn_core import __version__
from corn_testkit.server import Server, run

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml"))
SOURCES = {"corn-core": ROOT, **{name: ROOT / "plugins" / name for name in PLUGINS}}
# Those without an entry point are libraries that other plugins require, and have no extra.
NAMED = [
    name for name in PLUGINS if "entry-points" in (SOURCES[name] / "pyproject.toml").read_text()
]
HELLO = (ROOT / "examples" / "hello.py").read_text()


@dataclass(frozen=True)
class Wheel:
    """One built distribution."""

    name: str
    path: Path

    @property
    def files(self) -> list[str]:
        with ZipFile(self.path) as archive:
            return archive.namelist()

    @property
    def metadata(self) -> Message:
        with ZipFile(self.path) as archive:
            (name,) = (file for file in self.files if file.endswith(".dist-info/METADATA"))
            return message_from_string(archive.read(name).decode())

    @property
    def package(self) -> str:
        return self.name.replace("-", "_")


def pip(*arguments: object) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run([str(part) for part in command], check=True, timeout=120)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Wheel]:
    """A wheel of each distribution, built from its sdist."""
    built = {}
    for name, source in SOURCES.items():
        out = tmp_path_factory.mktemp(name)
        build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(source)]
        subprocess.run(build, check=True, capture_output=True, timeout=120)
        assert len(list(out.glob("*.tar.gz"))) == 1
        (wheel,) = out.glob("*.whl")
        built[name] = Wheel(name, wheel)
    return built


class Environment:
    """A virtual environment with these wheels, their dependencies and nothing else."""

    def __init__(self, directory: Path, wheels: list[Wheel]) -> None:
        self.bin = directory / "venv" / "bin"
        self.apps = directory / "apps"
        self.apps.mkdir()
        (self.apps / "hello.py").write_text(HELLO)
        command = [sys.executable, "-m", "venv", "--without-pip"]
        subprocess.run([*command, directory / "venv"], check=True, timeout=60)
        pip("--python", self.bin / "python", "install", *(wheel.path for wheel in wheels))
        # Neither the repository nor the entry points that others remember may be found.
        self.env = {"PYTHONPATH": "", "XDG_CACHE_HOME": str(directory / "cache")}

    def corn(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run(*arguments, cwd=self.apps, env=self.env, command=str(self.bin / "corn"))


@pytest.fixture(scope="module")
def core_alone(wheels: dict[str, Wheel], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("core"), [wheels["corn-core"]])


@pytest.fixture(scope="module")
def everything(wheels: dict[str, Wheel], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("everything"), list(wheels.values()))


def test_versions_are_in_lockstep(wheels: dict[str, Wheel]) -> None:
    assert {wheel.metadata["Version"] for wheel in wheels.values()} == {__version__}


@pytest.mark.parametrize("name", PLUGINS)
def test_plugin_requires_core_of_its_minor_version(wheels: dict[str, Wheel], name: str) -> None:
    major, minor, _ = __version__.split(".")
    requirements = wheels[name].metadata.get_all("Requires-Dist", [])
    assert f"corn-core~={major}.{minor}.0" in requirements


@pytest.mark.parametrize("name", NAMED)
def test_core_has_an_extra_for_each_plugin(wheels: dict[str, Wheel], name: str) -> None:
    major, minor, _ = __version__.split(".")
    extra = name.removeprefix("corn-")
    wanted = re.compile(rf"{name}~={major}\.{minor}\.0; extra == ['\"]{extra}['\"]")
    requirements = wheels["corn-core"].metadata.get_all("Requires-Dist", [])
    assert any(wanted.fullmatch(requirement) for requirement in requirements), requirements


def test_core_needs_only_pluggy_and_stevedore(wheels: dict[str, Wheel]) -> None:
    requirements = wheels["corn-core"].metadata.get_all("Requires-Dist", [])
    needed = {re.split(r"\W", one)[0] for one in requirements if "extra ==" not in one}
    assert needed == {"pluggy", "stevedore"}


@pytest.mark.parametrize("name", SOURCES)
def test_wheel_holds_the_package_and_nothing_else(wheels: dict[str, Wheel], name: str) -> None:
    wheel = wheels[name]
    assert f"{wheel.package}/py.typed" in wheel.files
    roots = {file.partition("/")[0] for file in wheel.files}
    assert roots == {wheel.package, f"{wheel.package}-{__version__}.dist-info"}
    licenses = [file for file in wheel.files if file.endswith(".dist-info/licenses/LICENSE")]
    assert len(licenses) == 1
    assert wheel.metadata["License-Expression"] == "MIT"


@pytest.mark.parametrize("name", SOURCES)
def test_page_on_the_index_has_no_relative_links(wheels: dict[str, Wheel], name: str) -> None:
    page = str(wheels[name].metadata.get_payload())
    assert page.startswith(f"# {'corn' if name == 'corn-core' else name}\n")
    assert re.findall(r"\]\((?!https?://)[^)]*\)", page) == []


@pytest.mark.parametrize("name", SOURCES)
def test_wheel_has_all_its_modules(wheels: dict[str, Wheel], name: str) -> None:
    package = SOURCES[name] / ("" if name == "corn-core" else "src") / wheels[name].package
    sources = {str(path.relative_to(package.parent)) for path in package.rglob("*.py")}
    assert sources
    assert sources <= set(wheels[name].files)


@pytest.mark.parametrize("name", PLUGINS)
def test_license_is_the_same_everywhere(name: str) -> None:
    assert (SOURCES[name] / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


@pytest.mark.parametrize("name", SOURCES)
def test_dependencies_have_lower_bounds_only(name: str) -> None:
    project = tomllib.loads((SOURCES[name] / "pyproject.toml").read_text())["project"]
    extras = project.get("optional-dependencies", {}).values()
    requirements = [*project["dependencies"], *(one for extra in extras for one in extra)]
    others = [one for one in requirements if not one.startswith("corn-")]
    assert all(re.fullmatch(r"[\w-]+(\[\w+\])?>=[\d.]+", one) for one in others), others


def test_core_alone_says_that_no_worker_is_installed(core_alone: Environment) -> None:
    outcome = core_alone.corn("--bind=127.0.0.1:0", "hello:app")
    assert outcome.returncode == 1
    assert outcome.stderr == "error: no worker is installed; pip install corn-sync\n"


def test_core_alone_answers_questions(core_alone: Environment) -> None:
    assert __version__ in core_alone.corn("--version").stdout
    assert "corn-core" in core_alone.corn("--plugins").stdout
    assert "corn-sync" not in core_alone.corn("--plugins").stdout


def test_installed_server_serves(everything: Environment, tmp_path: Path) -> None:
    arguments = ["--bind=127.0.0.1:0", "hello:app"]
    command = str(everything.bin / "corn")
    server = Server(tmp_path, arguments, everything.apps, everything.env, command)
    try:
        assert server.started().get() == "Hello, World!\n"
        server.stop()
    finally:
        server.kill()
    server.check_log()


def test_module_is_the_command_too(everything: Environment) -> None:
    python = str(everything.bin / "python")
    outcome = run("-m", "corn_core", "--version", cwd=everything.apps, command=python)
    assert outcome.stdout == everything.corn("--version").stdout
    assert outcome.returncode == 0


def test_installed_kit_tests_an_installed_worker(everything: Environment, tmp_path: Path) -> None:
    part = "corn_testkit.suite.test_listeners"
    arguments = ("-m", "pytest", "--pyargs", part, "--corn-worker", "sync")
    python = str(everything.bin / "python")
    outcome = run(*arguments, cwd=tmp_path, env=everything.env, command=python)
    assert re.search(r"=+ [1-9]\d* passed in ", outcome.stdout), outcome.stdout + outcome.stderr
    assert outcome.returncode == 0
