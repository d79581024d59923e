"""Processors within the quota of a container, read from files that look like the kernel's."""

from __future__ import annotations

import os
from math import inf
from pathlib import Path

import pytest

from corn_core.process.cpus import available_cpus, cpu_quota, recommended_workers


class Cgroups:
    """A file system of cgroups, and the file that says which are ours."""

    def __init__(self, home: Path) -> None:
        self.root = home / "cgroup"
        self.membership = home / "membership"
        self.membership.write_text("")

    def put(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")

    def quota(self, membership: str) -> float:
        self.membership.write_text(membership)
        return cpu_quota(str(self.membership), str(self.root))


@pytest.fixture
def cgroups(tmp_path: Path) -> Cgroups:
    return Cgroups(tmp_path)


def test_no_cgroups(cgroups: Cgroups) -> None:
    assert cgroups.quota("") == inf
    assert cgroups.quota("0::/nowhere") == inf


def test_version_2(cgroups: Cgroups) -> None:
    cgroups.put("app/cpu.max", "150000 100000")
    assert cgroups.quota("0::/app\n") == 1.5


def test_max_is_no_limit(cgroups: Cgroups) -> None:
    cgroups.put("app/cpu.max", "max 100000")
    assert cgroups.quota("0::/app\n") == inf


def test_the_least_quota_on_the_way_up_counts(cgroups: Cgroups) -> None:
    cgroups.put("pod/cpu.max", "100000 100000")
    cgroups.put("pod/app/cpu.max", "400000 100000")
    assert cgroups.quota("0::/pod/app\n") == 1.0


def test_in_a_container_the_root_is_ours(cgroups: Cgroups) -> None:
    cgroups.put("cpu.max", "50000 100000")
    assert cgroups.quota("0::/kubepods/pod123/app\n") == 0.5


def test_version_1(cgroups: Cgroups) -> None:
    cgroups.put("cpu/app/cpu.cfs_quota_us", "300000")
    cgroups.put("cpu/app/cpu.cfs_period_us", "100000")
    assert cgroups.quota("4:memory:/other\n3:cpu,cpuacct:/app\n") == 3.0
    cgroups.put("cpu/app/cpu.cfs_quota_us", "-1")
    assert cgroups.quota("3:cpu,cpuacct:/app\n") == inf


def test_a_fraction_is_rounded_up_and_never_to_nothing(cgroups: Cgroups) -> None:
    cgroups.membership.write_text("0::/\n")
    files = str(cgroups.membership), str(cgroups.root)
    for text, expected in (("100000 100000", 1), ("1 100000", 1), ("0 100000", 1)):
        cgroups.put("cpu.max", text)
        assert available_cpus(*files) == expected


def test_a_quota_beyond_the_machine_is_the_machine(cgroups: Cgroups) -> None:
    cgroups.membership.write_text("0::/\n")
    cgroups.put("cpu.max", "100000000 100000")
    files = str(cgroups.membership), str(cgroups.root)
    assert available_cpus(*files) == len(os.sched_getaffinity(0))


def test_recommended_workers() -> None:
    assert [recommended_workers(cpus) for cpus in (1, 2, 8)] == [3, 5, 17]
