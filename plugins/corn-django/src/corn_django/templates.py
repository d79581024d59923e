"""Has the reloader watch templates, which Django reads only once, even with DEBUG."""

from __future__ import annotations

import glob

from corn_core.plugin import is_library
from corn_core.typing import CodeReloader, Logger


def watch_templates(log: Logger, reloader: CodeReloader) -> None:
    """Watch the files in all of the project's template directories."""
    # Broad: TEMPLATES may contain anything, and the first request will show what is wrong with it.
    try:
        # lazy: it reads the settings, so importing it may fail as well
        from django.template.autoreload import get_template_directories

        directories = sorted(map(str, get_template_directories()))
    except Exception as error:
        log.warning("Templates are not watched: %s", error)
        return
    for directory in directories:
        if not is_library(directory):
            reloader.add_extra_file(f"{glob.escape(directory)}/**")
