# SPDX-License-Identifier: Apache-2.0
"""Sphinx configuration."""

from importlib.metadata import version as installed

project = "qiskit-parallel-ionq"
author = "the qiskit-parallel-ionq authors"
copyright = f"2026, {author}"  # noqa: A001
version = release = installed("qiskit-parallel-ionq")
extensions = [
    "qiskit_sphinx_theme",  # Sphinx finds the theme without this, and then leaves out its main style sheet
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
html_theme = "qiskit-ecosystem"
html_title = f"{project} {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
pygments_dark_style = "github-dark"
exclude_patterns = ["_build", "examples"]
default_role = "any"
autodoc_typehints = "description"
autodoc_member_order = "bysource"
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
suppress_warnings = ["ref.any", "myst.xref_missing"]
nitpicky = False
