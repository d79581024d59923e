"""Answers as text for people: pure functions of what the server has answered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

Result = dict[str, Any]

WORKER_COLUMNS = ("PID", "GEN", "STATE", "SERVING", "REQUESTS", "IN FLIGHT", "CONNS", "MEMORY")


def text_of(command: str, result: Result) -> str:
    """Return the text of a command's result."""
    shown = _SHOWN.get(command)
    if shown is not None:
        return shown(result)
    if isinstance(result, dict) and isinstance(result.get("message"), str):
        return printable(result["message"])
    return json.dumps(result, indent=2)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return rows in columns that are as wide as they have to be; None is a dash."""
    lines = [list(columns), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def printable(text: str) -> str:
    """Return a text without what a terminal would obey."""
    return "".join(each if each.isprintable() else "?" for each in text)


def span(seconds: float | None) -> str | None:
    """Return a time as text, such as ``40us``, ``1.5ms``, ``12.0s`` or ``3d4h``."""
    if seconds is None:
        return None
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f}us"
    if seconds < 1.0:
        return f"{seconds * 1000:.1f}ms"
    if seconds < 120:
        return f"{seconds:.1f}s"
    minutes = int(seconds // 60)
    if minutes < 120:
        return f"{minutes}m{int(seconds % 60)}s"
    hours = minutes // 60
    return f"{hours}h{minutes % 60}m" if hours < 48 else f"{hours // 24}d{hours % 24}h"


def memory(size: int | None) -> str | None:
    """Return a number of bytes in mebibytes."""
    return None if size is None else f"{size / 2**20:.1f}M"


def headline(status: Result) -> str:
    """Return the line that says how a server is."""
    counted = status["workers"]
    others = ("outdated", "booting", "draining")
    more = "".join(f", {counted[name]} {name}" for name in others if counted[name])
    return (
        f"{printable(status['name'])}: {status['state']}, generation {status['generation']},"
        f" {counted['serving']} of {counted['wanted']} workers{more}"
    )


def _cell(value: object) -> str:
    return "-" if value is None else printable(str(value))


def _status(result: Result) -> str:
    durations = result["durations"]
    answered = sum(durations["counts"])
    mean = f", {span(durations['seconds'] / answered)} on average" if answered else ""
    lines = [
        headline(result),
        f"  master {result['pid']}, corn {result['version']}, {result['worker_class']} workers,"
        f" up {span(result['uptime'])}",
    ]
    for listener in result["listeners"]:
        waiting = "" if listener["queued"] is None else f", {listener['queued']} waiting"
        lines.append(f"  listens at {listener['url']}{waiting}")
    lines.append(
        f"  {answered} request{'' if answered == 1 else 's'} answered{mean};"
        f" {result['in_flight']} in flight, {result['connections']} connections"
    )
    for role in ("predecessor", "successor"):
        if result[role]:
            lines.append(f"  {role}: master {result[role]}")
    return "\n".join(lines)


def _workers(result: Result) -> str:
    rows = (
        (
            *(each["pid"], each["generation"], each["state"], span(each["serving"])),
            *(each["requests"], each["in_flight"], each["connections"], memory(each["memory"])),
        )
        for each in result["workers"]
    )
    return table(WORKER_COLUMNS, rows)


def _requests(result: Result) -> str:
    rows = (
        (
            *(each["pid"], each["state"], each["in_flight"], span(each["seconds"])),
            *(each["method"], each["path"]),
        )
        for each in result["requests"]
    )
    return table(("PID", "STATE", "IN FLIGHT", "FOR", "METHOD", "PATH"), rows)


def _config(result: Result) -> str:
    return "\n".join(
        f"{each['name']} = {each['value']}  # {each['origin']}" for each in result["settings"]
    )


def _commands(result: Result) -> str:
    return table(("COMMAND", ""), ((each["name"], each["help"]) for each in result["commands"]))


def _stacks(result: Result) -> str:
    stacks: str = result["stacks"]
    return "\n".join(map(printable, stacks.splitlines()))


_SHOWN: dict[str, Callable[[Result], str]] = {
    "status": _status,
    "workers": _workers,
    "requests": _requests,
    "config": _config,
    "commands": _commands,
    "stacks": _stacks,
}
