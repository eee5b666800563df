"""How Sphinx builds the site: `make docs`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

import feasible

project = "feasible"
version = release = feasible.__version__
copyright = "the feasible authors"  # noqa: A001  # the name that Sphinx reads
html_title = f"feasible {version}"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "mathml",
    "pictures",
    "public_names",
    "built_links",
]
exclude_patterns = ["extensions"]

myst_enable_extensions = ["dollarmath", "attrs_inline"]
myst_heading_anchors = 3

# Docstrings write `name` for names of Python, which become links where they are known.
default_role = "py:obj"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
napoleon_custom_sections = ["Source"]
napoleon_use_ivar = True
python_maximum_signature_line_length = 72
toc_object_entries_show_parents = "hide"
add_module_names = False

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = ["accessibility.js"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    # Colours whose contrast with their background is at least 4.5.
    "light_css_variables": {
        "color-brand-primary": "#1d6b40",
        "color-brand-content": "#1d6b40",
        "color-link-underline": "#1d6b4066",
    },
    "dark_css_variables": {
        "color-brand-primary": "#5fcf8f",
        "color-brand-content": "#5fcf8f",
        "color-link-underline": "#5fcf8f66",
    },
}
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
copybutton_exclude = ".linenos, .gp, .go"
