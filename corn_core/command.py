"""Does what the command line says: serves, checks a configuration, or answers a question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from corn_core.assemble import Assembly, begin, framework_of, start
from corn_core.check import check
from corn_core.errors import ConfigError
from corn_core.findings import Review
from corn_core.settings.commandline import early_flag
from corn_core.settings.printing import CHECK_CONFIG, JSON
from corn_core.settings.sources import Resolution, resolve


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Do what the command line says; returns the exit status.

    It also returns in a worker, when that ends: the process then exits like any Python program,
    and functions that the application registered with atexit run.

    :raises CornError: when the server cannot start.
    """
    begun = begin(argv, environ)
    if begun is None:
        return 0
    plugins, registry = begun
    # As it is now: raw_env changes the process, and must not change what a reload reads.
    variables = dict(environ)

    gathered = Review(plugins.explain, gathers=True)
    checking = early_flag(CHECK_CONFIG, argv, variables)

    def read(directory: str) -> Resolution:
        ask = partial(framework_of, plugins, directory=directory)
        review = gathered if checking else Review(plugins.explain)
        return resolve(registry, argv, variables, directory, ask, review)

    assembly = Assembly(plugins, read)
    as_json = early_flag(JSON, argv, variables)
    if checking:
        return check(assembly, gathered, as_json=as_json)
    if as_json:
        raise ConfigError("--json is the form of a report; give it with --check-config")
    return start(assembly)
