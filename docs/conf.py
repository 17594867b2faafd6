"""Sphinx's settings: `make docs` builds these pages, and every warning is an error."""

import sys
from pathlib import Path

from robo_rlhf import __version__

sys.path.insert(0, str(Path(__file__).parent))  # where the extension `generated` is
project, release = "robo_rlhf", __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton", "generated"]
exclude_patterns = ["build"]
default_role = "code"  # docstrings write names in single backquotes
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "attrs_block"]
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 100
html_theme = "furo"
html_title = f"robo_rlhf {release}"
html_static_path = ["pages.css"]
html_css_files = ["pages.css"]
html_copy_source = False
html_show_sphinx = False
