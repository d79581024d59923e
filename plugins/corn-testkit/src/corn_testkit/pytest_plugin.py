"""The part of the kit that pytest loads when it is installed (entry point group ``pytest11``)."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

# Of a plugin that is installed in editable mode, pytest rewrites the assertions only on demand.
pytest.register_assert_rewrite(
    *(
        f"corn_testkit.{name}"
        for name in (
            "asgi.clients",
            "asgi.frames",
            "asgi.told",
            "candidate",
            "client",
            "crowd",
            "fixtures",
            "gate",
            "recording",
            "server",
            "waiting",
        )
    )
)

from corn_testkit.candidate import Candidate, NoCandidate  # noqa: E402
from corn_testkit.fixtures import authority, certificate, context, gate, serve  # noqa: E402
from corn_testkit.leaks import LeakCheck  # noqa: E402
from corn_testkit.rules import name_the_rule  # noqa: E402

__all__ = ["authority", "certificate", "context", "gate", "serve"]

LEAKS = "corn_leaks"

WORKER, OPTION = OPTIONS = ("--corn-worker", "--corn-option")

SUITE = Path(__file__).with_name("suite")

_CANDIDATE = pytest.StashKey[Candidate]()

MARKERS = (
    "corn_needs(*capabilities): a test for workers that declare all of these",
    "corn_lacks(*capabilities): a test for workers that declare none of these",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("corn", "conformance of corn workers")
    group.addoption(
        WORKER,
        metavar="NAME",
        help="the worker class that the conformance suite is for, as -k of corn takes it",
    )
    group.addoption(
        OPTION,
        metavar="OPTION",
        action="append",
        default=[],
        help="another option for each server, such as --corn-option=--threads=4; repeatable",
    )
    parser.addini(LEAKS, "fail a test that leaves traces in its process", "bool", False)


def pytest_configure(config: pytest.Config) -> None:
    if config.getini(LEAKS):
        config.pluginmanager.register(LeakCheck(), "corn-leaks")
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    given = config.invocation_params.args
    if config.option.corn_worker is None and any(_names_the_suite(each) for each in given):
        raise pytest.UsageError("the conformance suite needs a worker: --corn-worker NAME")


def _names_the_suite(argument: str) -> bool:
    """Tell whether ``--pyargs`` takes the argument for ``corn_testkit`` or a module in it."""
    return argument.partition("::")[0].partition(".")[0] == "corn_testkit"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the suite out of runs that name no worker, such as one of a whole repository."""
    if config.option.corn_worker is None and SUITE in (collection_path, *collection_path.parents):
        return True
    return None


def pytest_collection_finish(session: pytest.Session) -> None:
    """Find the worker before the first test, and say at once what is wrong with it."""
    if any(SUITE in item.path.parents for item in session.items):
        candidate_of(session.config)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say in words which rule a worker has broken when a test of the suite fails."""
    report = yield
    if report.failed and SUITE in item.path.parents and isinstance(item, pytest.Function):
        name_the_rule(report, item.function)
    return report


def pytest_report_header(config: pytest.Config) -> str | None:
    """Show which worker is tested, and what it declares."""
    if config.option.corn_worker is None:
        return None
    candidate = candidate_of(config)
    declared = ", ".join(sorted(candidate.capabilities)) or "nothing"
    return f"corn worker: {candidate.name} ({candidate.class_name}), declares {declared}"


def candidate_of(config: pytest.Config) -> Candidate:
    """Find the worker of ``--corn-worker``, once per run."""
    if _CANDIDATE not in config.stash:
        try:
            config.stash[_CANDIDATE] = Candidate.find(
                config.option.corn_worker, tuple(config.option.corn_option)
            )
        except NoCandidate as error:
            raise pytest.UsageError(f"--corn-worker: {error}") from None
    return config.stash[_CANDIDATE]
