"""The configuration of Sphinx: `make docs`."""

from __future__ import annotations

from corn_core import __version__

project = "corn"
author = "the corn authors"
copyright = "the corn authors"
version = release = __version__

extensions = ["myst_parser", "sphinx_copybutton"]
exclude_patterns = ["_build", "parts"]

# Links such as settings-workers.md#workers; GitHub makes the same anchors.
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

# A flag such as --workers must not get a typographer's dash.
smartquotes = False

# Copies the commands of a transcript, without the prompts and what they print.
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "furo"
html_title = f"corn {version}"
html_logo = html_favicon = "_static/logo.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["find.js"]
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#8a5a00", "color-brand-content": "#8a5a00"},
    "dark_css_variables": {"color-brand-primary": "#e3b341", "color-brand-content": "#e3b341"},
}
