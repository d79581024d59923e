"""Reads what the kernel says about the cgroups that this process is in."""

from __future__ import annotations


def read(path: str) -> str:
    """Return the text of a file; empty when there is no such cgroup, or no such system."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
