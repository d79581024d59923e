"""--check-config runs Django's deployment checks."""

from __future__ import annotations

from typing import Any

import pytest

Project = Any  # the class in conftest.py, which cannot be imported as a module

WAYS = {
    "beside": (),
    "named": ("mysite.wsgi",),
    "print": ("--print-config",),
}


@pytest.mark.parametrize("way", WAYS)
def test_warnings_are_shown(project: Project, way: str) -> None:
    outcome = project.corn("--check-config", *WAYS[way])
    assert outcome.returncode == 0
    assert outcome.stderr.startswith("System check identified some issues:\n\nWARNINGS:\n")
    assert "(security.W018) You should not have DEBUG set to True" in outcome.stderr
    # For others to read, so there is nothing else in it.
    lines = [line for line in outcome.stdout.splitlines() if line and not line.startswith("# ")]
    assert [line for line in lines if not (" = " in line and "  # " in line)] == []
    assert bool(lines) == (way == "print")


def test_errors_fail_the_check(project: Project) -> None:
    project.add("mysite/settings.py", "MIDDLEWARE = []\n")
    for outcome in (project.corn("--check-config"), project.manage("corn", "--check-config")):
        assert outcome.returncode == 1
        assert outcome.stderr.startswith("SystemCheckError: System check identified some issues:\n")
        assert "(admin.E408)" in outcome.stderr and "(security.W018)" in outcome.stderr
        last = outcome.stderr.splitlines()[-1]
        assert last == "error: Django's deployment checks have found errors"


def test_silenced_checks_are_silent(project: Project) -> None:
    project.add(
        "mysite/settings.py",
        "MIDDLEWARE = []\n"
        "SILENCED_SYSTEM_CHECKS += ['admin.E408', 'admin.E409', 'admin.E410']\n"
        "SILENCED_SYSTEM_CHECKS += [f'security.W{number:03}' for number in range(30)]\n",
    )
    outcome = project.corn("--check-config")
    assert (outcome.returncode, outcome.stderr, outcome.stdout) == (0, "", "")


def test_urls_that_cannot_be_imported(project: Project) -> None:
    """The server itself would notice it with the first request."""
    project.add("mysite/urls.py", "import missing_library\n")
    outcome = project.corn("--check-config")
    assert outcome.returncode == 1
    # Once or twice: Django runs its checks in any order, and one of them tries again.
    assert 'mysite/urls.py", line' in outcome.stderr
    assert outcome.stderr.splitlines()[-1] == (
        "error: Django's deployment checks cannot be run: ModuleNotFoundError: No module named"
        " 'missing_library'"
    )


def test_other_applications_are_not_checked(project: Project) -> None:
    project.save("other.py", "def application(environ, start_response): ...\n")
    outcome = project.corn("--check-config", "other")
    assert (outcome.returncode, outcome.stderr) == (0, "")
