"""Which pages of the repository are on the site, and where: those outside of docs/ are put beside the others.

Links are written for readers of the repository, so they are translated: each leads from page to page by its file there.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

PROJECT = Path(__file__).parents[2]
OUTSIDE = {
    "README.md": "index.md",
    "DESIGN.md": "design/index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "bench/RESULTS.md": "results.md",
}
"""Pages outside of docs/, by their paths in the repository, and what they are called on the site."""
_IN_REPOSITORY = {on_site: path for path, on_site in OUTSIDE.items()}
_LINK = re.compile(r"\]\((?!https://)([^)#\s]+)(#[^)\s]+)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages outside of docs/ to those that MkDocs has found."""
    for path, on_site in OUTSIDE.items():
        files.append(File.generated(config, on_site, content=(PROJECT / path).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - as MkDocs calls it
    """Translate the links of a page."""
    site = page.file.src_uri
    folder = posixpath.dirname(_IN_REPOSITORY.get(site, f"docs/{site}"))
    return _LINK.sub(lambda link: f"]({translated(link[1], folder, site)}{link[2] or ''})", markdown)


def translated(target: str, folder: str, site: str) -> str:
    """Return where a link leads on the site.

    Arguments:
        target: the file, relative to the folder of its page in the repository.
        folder: that folder.
        site: the path of the page on the site.

    """
    path = posixpath.normpath(posixpath.join(folder, target))
    return posixpath.relpath(OUTSIDE.get(path, path.removeprefix("docs/")), posixpath.dirname(site) or ".")
