"""Settings of Sphinx; `python docs/site/build.py` calls it with them."""

from typing import Any

import matplotlib.pyplot as plt
from sphinx_gallery.scrapers import figure_rst, matplotlib_scraper

import airan_market


def drawn(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Show what an example calls `figure`; else what pyplot holds."""
    figure = block_vars["example_globals"].pop("figure", None)
    if figure is None:
        shown: str = matplotlib_scraper(block, block_vars, gallery_conf, dpi=110)
        return shown
    path = next(block_vars["image_path_iterator"])
    figure.savefig(path, dpi=110)
    plt.close("all")  # the next example would draw on a figure that pyplot still holds
    found: str = figure_rst([path], gallery_conf["src_dir"])
    return found


project = "airan-market"
version = release = airan_market.__version__
author = copyright = "The airan-market authors"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "sphinx-mathjax-offline",
]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # notebooks are committed with their outputs; a test says when they stale
suppress_warnings = ["config.cache"]  # a function is among the settings of the gallery
exclude_patterns = [
    "docs/gallery/*",
    *(f"docs/auto_gallery/*.{kind}" for kind in ("ipynb", "py", "json", "md5", "zip")),
    "sg_execution_times.rst",
    "**/sg_execution_times.rst",
]
autosummary_generate = True
autodoc_typehints = "none"  # docstrings say types with shapes and units
autodoc_default_options = {"members": True}
napoleon_use_rtype = False
html_static_path = ["style"]
html_css_files = ["site.css"]
html_theme = "pydata_sphinx_theme"
html_title = "airan-market"
html_show_sourcelink = False
html_theme_options = {
    "navbar_align": "left",
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "navbar_end": ["theme-switcher"],
}
sphinx_gallery_conf = {
    "examples_dirs": "docs/gallery",
    "gallery_dirs": "docs/auto_gallery",
    "filename_pattern": "/plot_",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_signature": False,
    "image_scrapers": (drawn,),
    "capture_repr": (),
    "within_subsection_order": "FileNameSortKey",
    "copyfile_regex": r"no files",
}
