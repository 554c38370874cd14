"""Sphinx configuration: builds offline, and every warning is an error."""

from importlib import metadata
from pathlib import Path

project = "secop-ophyd"
copyright = "The secop-ophyd developers"
author = "The secop-ophyd developers"
try:
    release = metadata.version("secop-ophyd")
except metadata.PackageNotFoundError:
    release = "unknown"

extensions = [
    "autodoc2",
    "myst_parser",
    "sphinx.ext.githubpages",
    "sphinx_copybutton",
    "sphinx_design",
]
# The top package re-exports what its packages document
exclude_patterns = ["_build", "_api/secop_ophyd/secop_ophyd.rst"]
myst_enable_extensions = ["colon_fence", "fieldlist"]
myst_heading_anchors = 3

# The reference: read from the sources without importing them. A package shows what
# its `__all__` names, wherever that is defined
_src = Path(__file__).parents[1] / "src"
autodoc2_packages = [{"path": "../src/secop_ophyd", "auto_mode": True}]
autodoc2_output_dir = "_api"
autodoc2_index_template = None
autodoc2_module_all_regexes = [
    ".".join(init.parent.relative_to(_src).parts).replace(".", r"\.")
    for init in _src.rglob("__init__.py")
    if "__all__" in init.read_text(encoding="utf-8")
]
autodoc2_skip_module_regexes = [r".*\._.*", r".*\.SECoPDevices"]
autodoc2_hidden_objects = ["dunder", "inherited", "private"]
autodoc2_class_docstring = "both"
autodoc2_docstring_parser_regexes = [(r".*", "myst")]

suppress_warnings = [
    "autodoc2.dup_item",  # overloads and property setters
    "ref.python",  # the same name in two packages: the one it comes from is fine
]

html_theme = "pydata_sphinx_theme"
html_theme_options = {"navigation_with_keys": False, "show_prev_next": False}
