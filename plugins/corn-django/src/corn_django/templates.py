"""Templates under the eyes of the reloader: Django reads each of them once, in DEBUG too."""

from __future__ import annotations

import glob
from typing import Any

from corn_core.reloading.files import is_library


def watch_templates(worker: Any) -> None:
    """Have a worker watch the files in all directories with templates of the project."""
    # Broad: TEMPLATES is anybody's, and what is wrong with it is shown by the first request.
    try:
        # lazy: it looks at the settings, so that importing it may fail as well
        from django.template.autoreload import get_template_directories

        directories = sorted(map(str, get_template_directories()))
    except Exception as error:
        worker.log.warning("Templates are not watched: %s", error)
        return
    for directory in directories:
        if not is_library(directory):
            worker.reloader.add_extra_file(f"{glob.escape(directory)}/**")
