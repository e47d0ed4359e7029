"""The documentation as a site: every page is on it, every link holds, and it asks no other server for anything."""

import re
import subprocess
import sys

import pytest
from documentation import PAGES, PROJECT

OUTSIDE = {"DESIGN.md": "design/index.html", "CONTRIBUTING.md": "contributing.html", "README.md": "index.html"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(words, cwd=PROJECT, check=False, capture_output=True, text=True)
    # Strict: a link that leads nowhere, and a page that is not in the navigation, are errors.
    assert built.returncode == 0, built.stderr
    return folder


def test_every_page_of_the_documentation_is_on_the_site(site):
    docs = PROJECT / "docs"
    pages = {str(page.relative_to(docs).with_suffix(".html")) for page in PAGES if page.is_relative_to(docs)}
    assert {page for page in pages | set(OUTSIDE.values()) if not (site / page).is_file()} == set()


def test_a_link_of_the_repository_leads_to_its_page_on_the_site(site):
    assert 'href="design/index.html"' in (site / "index.html").read_text()
    assert 'href="../promise.html' in (site / "design" / "index.html").read_text()
    assert 'href="contributing.html#report-a-fault"' in (site / "troubleshooting.html").read_text()


def test_the_site_loads_nothing_from_another_server(site):
    loaded = re.compile(
        r'<(?:script|img|iframe|link rel="(?:stylesheet|icon|preconnect)")[^>]*(?:src|href)="(?:https?:)?//'
    )
    assert [page.name for page in site.rglob("*.html") if loaded.search(page.read_text())] == []
