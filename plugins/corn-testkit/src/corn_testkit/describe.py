"""``python -m corn_testkit.describe -k NAME``: what a worker class says of itself, as JSON.

In a process of its own, since some workers import libraries that change the process.
"""

from __future__ import annotations

import json
import os
import sys
from functools import partial

from corn_core.assemble import Assembly, registry_of
from corn_core.extensions.manager import load_plugins
from corn_core.findings import Review
from corn_core.plugin import CornError
from corn_core.settings.sources import resolve


def describe(argv: list[str]) -> dict[str, object]:
    """Describe the class that the server would use with these arguments.

    :raises CornError: when the server could not start with them.
    """
    plugins = load_plugins()
    registry = registry_of(plugins)
    arguments = [*argv, "--check-config", "--log-level=critical", "--bind=127.0.0.1:0"]
    read = partial(resolve, registry, arguments, dict(os.environ))
    review = Review(plugins.explain)
    wiring = Assembly(plugins, lambda directory: read(directory, None, review)).configure()
    worker_class = wiring.worker_class
    return {
        "name": wiring.config.worker_class,
        "class_name": f"{worker_class.__module__}.{worker_class.__qualname__}",
        "capabilities": sorted(worker_class.capabilities),
        "multithread": worker_class.multithread,
    }


if __name__ == "__main__":
    try:
        print(json.dumps(describe(sys.argv[1:])))
    except CornError as error:
        sys.exit(f"error: {error}")
