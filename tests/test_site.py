# SPDX-License-Identifier: Apache-2.0
"""The built documentation: each style sheet, script, figure and page that a page refers to exists.

The site is the one in the folder ``BUILT_DOCS``; without that variable, one page is built with ``docs/conf.py``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

DOCS = Path(__file__).parents[1] / "docs"
FIGURE = DOCS / "images" / "timeline.svg"
PAGE = f"# A page\n\n![A figure]({FIGURE.name})\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder that holds the built pages."""
    if "BUILT_DOCS" in os.environ:
        return Path(os.environ["BUILT_DOCS"])
    pytest.importorskip("qiskit_sphinx_theme", reason="Sphinx and its theme come with the extra 'docs'")
    source = tmp_path_factory.mktemp("source")
    (source / "index.md").write_text(PAGE)
    shutil.copy(FIGURE, source)
    built = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "sphinx", "-q", "-c", str(DOCS), str(source), str(built)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return built


def linked(page: Path, pattern: str) -> list[str]:
    """Return the URLs in a page that the pattern finds, without those of other hosts and of the page itself."""
    urls = re.findall(pattern, page.read_text())
    return [url for url in urls if not urlsplit(url).scheme and not url.startswith(("#", "//"))]


def test_the_home_page_links_the_style_sheets_of_the_theme_and_of_the_site(site):
    sheets = linked(site / "index.html", r'<link rel="stylesheet"[^>]* href="([^"]+)"')
    names = [Path(urlsplit(url).path).name for url in sheets]
    assert {"furo.css", "qiskit-sphinx-theme.css", "site.css"} <= set(names)
    # A later sheet overrides an earlier one.
    assert names.index("furo.css") < names.index("qiskit-sphinx-theme.css") < names.index("site.css")


def test_all_files_that_the_pages_refer_to_exist(site):
    references = [
        (page, url) for page in site.rglob("*.html") for url in linked(page, r'(?:href|src)="([^"]+)"')
    ]
    missing = [
        (page.relative_to(site), url)
        for page, url in references
        if not (page.parent / unquote(urlsplit(url).path)).exists()
    ]
    assert missing == []


def test_the_style_sheets_are_not_empty(site):
    assert (site / "_static" / "styles" / "furo.css").stat().st_size > 10_000
    assert (site / "_static" / "site.css").stat().st_size > 500
