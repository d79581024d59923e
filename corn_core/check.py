"""Reports everything that is wrong with a configuration at once: ``--check-config``.

A start ends with the first error. Here every step is taken, and what each refuses is gathered.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import partial

from corn_core.assemble import Assembly, by_our_names, check_reload, doubts, load_app
from corn_core.extensions.positional import config_file_plugin
from corn_core.findings import Finding, Review
from corn_core.logs.capture import release_output
from corn_core.net import tls
from corn_core.process.output import print_answer
from corn_core.settings.printing import print_config
from corn_core.settings.sources import Resolution
from corn_core.validate import let_worker_refuse


def check(assembly: Assembly, review: Review, *, as_json: bool = False) -> int:
    """Check the configuration and the application, and report; returns the exit status.

    :param review: gathers errors; ``assembly`` reads the sources with it.
    """
    # What the application prints must not get into the report.
    with redirect_stdout(sys.stderr if as_json else sys.stdout):
        resolution = review.attempt(assembly.read, assembly.process.start_directory)
        if resolution is not None:
            resolution = by_our_names(resolution, review)
            _examine(assembly, resolution, review)
        review.add(*(Finding("note", note) for note in assembly.notes()))
        review.attempt(assembly.require_plugins)
    release_output()  # output from now on is for the user who asked
    _report(review.findings, as_json=as_json)
    if resolution is not None and resolution.config.print_config and not review.failed:
        print_answer(print_config(resolution.config, resolution.hooks))
    return int(review.failed)


def _examine(assembly: Assembly, resolution: Resolution, review: Review) -> None:
    """Take the steps of a start, up to the loading of the application."""
    config, hooks = resolution.config, assembly.plugins.hooks
    review.attempt(partial(hooks.call, "corn_configured", config=config))
    # One by one, so that each bad one is reported and none keeps the rest from being tried.
    fitting = {
        name: hook
        for name, hook in resolution.hooks.items()
        if review.attempt(config_file_plugin, {name: hook}) is not None
    }
    review.attempt(assembly.enter, resolution._replace(hooks=fitting))
    worker_class = review.attempt(assembly.find_worker_class, config)
    review.attempt(assembly.find_logger_class, config)
    loader = review.attempt(assembly.find_loader, resolution)
    review.attempt(tls.prepare, config, hooks)
    if config.reload:
        review.attempt(check_reload, config)
    if worker_class is not None:
        review.attempt(let_worker_refuse, worker_class, config)
        review.add(*doubts(config, worker_class))
    if not review.errors:
        # The way of a start, for what it does besides: it makes the logger, which opens files.
        loaded = review.attempt(assembly.load, resolution, False)
        if loaded is not None:
            review.attempt(assembly.try_app, loaded)
    elif loader is not None:
        review.attempt(load_app, loader, config)


def _report(findings: Sequence[Finding], *, as_json: bool) -> None:
    """Print the findings: as JSON to standard output, or as text to standard error."""
    said = [each for each in findings if each.level != "fine"]
    if as_json:
        # lazy: few checks need it
        import json

        fields = ("level", "name", "text", "instead", "origin")
        rows = [{field: getattr(each, field) for field in fields} for each in said]
        print_answer(json.dumps({"findings": rows}, indent=2))
        return
    for each in said:
        place = f" ({each.origin})" if each.origin else ""
        print(f"{each.details}{each.level}: {each.text}{place}", file=sys.stderr)
        if each.instead:
            print(f"    {each.instead}", file=sys.stderr)
    count = Counter(each.level for each in said)
    if count["error"] + count["ignored"] > 1:
        print(f"{count['error']} refused, {count['ignored']} ignored", file=sys.stderr)
