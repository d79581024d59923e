"""Measures what the master holds: descriptors, memory, zombies, and files it has left behind."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from corn_testkit.waiting import children


class Holdings(NamedTuple):
    """The resources of a process at one moment; memory is the private part, in KiB."""

    descriptors: int
    private_kib: int
    zombies: int
    temporary_files: int

    def growth(self, since: Holdings) -> Holdings:
        return Holdings(*(now - then for now, then in zip(self, since, strict=True)))


def holdings(pid: int, tmp_dir: Path) -> Holdings:
    """Measure the resources of a master."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    private = sum(
        int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_")
    )
    return Holdings(
        descriptors=len(list(Path(f"/proc/{pid}/fd").iterdir())),
        private_kib=private,
        zombies=sum(is_zombie(child) for child in all_children(pid)),
        temporary_files=len(list(tmp_dir.iterdir())),
    )


def all_children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sorted({*map(int, found), *children(pid)})


def is_zombie(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False  # reaped meanwhile
    return status.rpartition(")")[2].split()[0] == "Z"
