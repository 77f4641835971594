"""The HTML pages of the sample site."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import PurePosixPath
from urllib.parse import quote

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title></head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""


def index_page(title: str, galleries: Iterable[tuple[str, str]]) -> str:
    """A page that links to galleries, given as (path, title)."""
    links = "\n".join(
        f'<li><a href="{quote(path)}">{escape(name)}</a></li>' for path, name in galleries
    )
    return _PAGE.format(title=escape(title), body=f"<ul>\n{links}\n</ul>")


def gallery_page(title: str, images: Iterable[str]) -> str:
    """A page that shows the images at `images`, paths below the site's root, and links to each."""
    return _PAGE.format(title=escape(title), body="\n".join(_figure(path) for path in images))


def _figure(path: str) -> str:
    address = quote(path)
    label = escape(PurePosixPath(path).stem.replace("_", " "))
    return (
        f'<p><a href="{address}"><img src="{address}" alt="{label}" width="320" loading="lazy"></a>'
        f"<br>{label}</p>"
    )
