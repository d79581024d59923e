"""The configuration of Sphinx: `make docs`."""

from __future__ import annotations

from corn_core import __version__

project = "corn"
author = "the corn authors"
copyright = "the corn authors"
version = release = __version__

extensions = ["myst_parser"]
exclude_patterns = ["_build", "parts"]

# Links such as settings.md#workers; GitHub makes the same anchors.
myst_heading_anchors = 3

# A flag such as --workers must not get a typographer's dash.
smartquotes = False

html_theme = "alabaster"
html_theme_options = {"description": "A pre-fork WSGI server", "page_width": "1000px"}
html_show_sphinx = False
