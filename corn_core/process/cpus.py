"""Counts the processors that this process may use: in a container, fewer than there are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from math import ceil, inf

from corn_core.process.cgroup import MEMBERSHIP, ROOT, Cgroup, cgroups, read


def recommended_workers(cpus: int) -> int:
    """Apply the manual's rule of thumb: twice the processors, and one."""
    return 2 * cpus + 1


def available_cpus(membership: str = MEMBERSHIP, root: str = ROOT) -> int:
    """Count the processors that the scheduler lets this process use, within its cgroups' quota."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:  # macOS
        count = os.cpu_count() or 1
    quota = cpu_quota(membership, root)
    return max(1, min(count, ceil(quota) if quota < inf else count))


def cpu_quota(membership: str, root: str) -> float:
    """Return the processors' worth of time that our cgroups grant; infinity for no limit.

    See ``cpu.max`` in the kernel's documentation of cgroup version 2, and
    ``cpu.cfs_quota_us`` in that of version 1.
    """
    ours = cgroups("cpu", membership, root)
    return min((quota for each in ours for quota in _quotas(each)), default=inf)


def _quotas(cgroup: Cgroup) -> Iterator[float]:
    """Yield the quota of the cgroup's directory and of those above it: each may have one."""
    quota_of = _version_2 if cgroup.version == 2 else _version_1
    parts = [part for part in cgroup.path.split("/") if part]
    for count in range(len(parts) + 1):
        yield quota_of("/".join([cgroup.root, *parts[:count]]))


def _version_2(directory: str) -> float:
    given, _, period = read(f"{directory}/cpu.max").strip().partition(" ")
    return _ratio(given, period)


def _version_1(directory: str) -> float:
    given, period = (read(f"{directory}/cpu.cfs_{name}_us") for name in ("quota", "period"))
    return _ratio(given.strip(), period.strip())


def _ratio(given: str, period: str) -> float:
    # "max" and -1 mean no limit, and an empty text that there is no such file.
    if not given.isdigit() or not period.isdigit() or int(period) == 0:
        return inf
    return int(given) / int(period)
