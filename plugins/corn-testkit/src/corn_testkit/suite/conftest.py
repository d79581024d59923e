"""Servers with the worker under test, and why a test is skipped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from corn_testkit.asgi.told import Told
from corn_testkit.candidate import Candidate, Start, Subject
from corn_testkit.pytest_plugin import candidate_of
from corn_testkit.tls import Certificate


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what the worker does not declare, or declares where a test is of its lack."""
    candidate = candidate_of(item.config)
    for mark in item.iter_markers("corn_needs"):
        if reason := candidate.lacks(mark.args):
            pytest.skip(reason)
    for mark in item.iter_markers("corn_lacks"):
        if reason := candidate.has(mark.args):
            pytest.skip(reason)


@pytest.fixture(scope="session")
def candidate(pytestconfig: pytest.Config) -> Candidate:
    """The worker class under test."""
    return candidate_of(pytestconfig)


@pytest.fixture
def start(candidate: Candidate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """A function that starts servers; afterwards they are ended, and their logs must be clean."""
    subjects: list[Subject] = []

    def starter(*arguments: str, workers: int = 1, **others: Any) -> Subject:
        if workers > 1:
            arguments = (f"--workers={workers}", *arguments)
        subject = Subject(candidate, tmp_path_factory.mktemp("server"), *arguments, **others)
        subjects.append(subject)
        subject.started()
        subject.ready(workers)
        return subject

    yield starter
    for subject in subjects:
        subject.kill()
    for subject in subjects:
        subject.check_log()


@contextmanager
def shared_by_tests(
    candidate: Candidate, home: Path, *arguments: str, app: str = "probe:app"
) -> Iterator[Subject]:
    """Start a server whose one worker has to outlive what its clients do to it."""
    subject = Subject(candidate, home, *arguments, app=app)
    try:
        subject.started()
        worker = subject.worker
        yield subject
        assert subject.workers() == [worker], "the worker did not outlive its clients"
        subject.stop()
    finally:
        subject.kill()
    subject.check_log()


@pytest.fixture(scope="session")
def shared(candidate: Candidate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """The server of the tests that only ask for something."""
    home = tmp_path_factory.mktemp("shared")
    with shared_by_tests(candidate, home, "--keep-alive=30") as subject:
        yield subject


@pytest.fixture(scope="session")
def talker(candidate: Candidate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """A server of ``taker:app``, for tests that leave nothing of their talks behind."""
    home = tmp_path_factory.mktemp("talker")
    with shared_by_tests(candidate, home, "--keep-alive=30", app="taker:app") as subject:
        yield subject


@pytest.fixture(scope="session")
def limited(candidate: Candidate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """A server with small limits."""
    limits = (
        *("--limit-request-line=200", "--limit-request-fields=10"),
        *("--limit-request-field_size=300", "--limit-request-body=1000"),
        *("--header-timeout=1", "--body-timeout=1", "--access-logfile=-"),
        "--access-logformat=%(s)s %(r)s",
    )
    with shared_by_tests(candidate, tmp_path_factory.mktemp("limited"), *limits) as subject:
        yield subject


@pytest.fixture(scope="session")
def secure(
    candidate: Candidate, certificate: Certificate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Subject]:
    """A server that speaks TLS."""
    flags = (f"--certfile={certificate.certfile}", f"--keyfile={certificate.keyfile}")
    home = tmp_path_factory.mktemp("secure")
    with shared_by_tests(candidate, home, *flags, "--keep-alive=30") as subject:
        yield subject


@pytest.fixture(scope="session")
def exchange(candidate: Candidate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """A server of ``exchange:app``, which is for workers that serve ASGI."""
    home = tmp_path_factory.mktemp("exchange")
    log = ("--access-logfile=-", "--access-logformat=%(s)s %(B)s %(r)s")
    with shared_by_tests(candidate, home, *log, "--keep-alive=30", app="exchange:app") as subject:
        subject.tracebacks_expected = True
        yield subject


@pytest.fixture
def told(exchange: Subject) -> Told:
    """The events that the application of ``exchange`` tells from now on."""
    return Told(exchange)
