"""Feeds and site maps in the forms that sites publish them, after their specifications.

- RSS 2.0 (https://www.rssboard.org/rss-specification): `item` with `guid`, `link`, `title`, `description` (HTML,
  escaped), `pubDate` (RFC 822), `enclosure` (`url`, `type`, `length`); `content:encoded` has the whole text.
- Atom (RFC 4287): `entry` with `id`, `link`, `updated` and `published` (RFC 3339), `author/name`, `content`, `rights`.
- Media RSS (https://www.rssboard.org/media-rss): `media:content` (`url`, `type`, `medium`, `width`, `height`), in a
  `media:group` if they are sizes of one thing; `media:thumbnail`, `media:license`.
- Creative Commons: `cc:license rdf:resource`, `creativeCommons:license`, Atom's `link rel="license"` (RFC 4946).
- Site maps: https://www.sitemaps.org/protocol.html, images as Google documents them.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

NAMESPACES = (
    'xmlns:media="http://search.yahoo.com/mrss/" xmlns:content="http://purl.org/rss/1.0/modules/content/" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:creativeCommons="http://backend.userland.com/creativeCommonsRssModule"'
)


def rss(*items, channel=""):
    """A feed of items, which are XML."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" {NAMESPACES}><channel><title>Lakes</title>'
        f"<link>https://h.example/</link>{channel}{''.join(items)}</channel></rss>"
    ).encode()


def item(name, *, html="", extra="", link=True):
    """An item; `html` is its text, unescaped."""
    page = f"<link>https://h.example/posts/{name}</link>" if link else ""
    text = f"<description>{escape(html)}</description>" if html else ""
    return (
        f"<item><guid isPermaLink='false'>id-{name}</guid>{page}<title>Lake &amp; {name}</title>"
        f"<pubDate>Sun, 22 Nov 2026 07:00:00 +0100</pubDate><dc:creator>Ada</dc:creator>{text}{extra}</item>"
    )


def atom(*entries, feed=""):
    """A feed of entries, which are XML."""
    return (
        '<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom" '
        'xmlns:media="http://search.yahoo.com/mrss/"><title>Lakes</title><id>urn:lakes</id>'
        f"<updated>2026-11-22T08:00:00Z</updated>{feed}{''.join(entries)}</feed>"
    ).encode()


def entry(name, *, html="", extra=""):
    """An Atom entry."""
    return (
        f'<entry><id>urn:{name}</id><link href="/posts/{name}"/>'
        f'<title type="html">Lake &amp;lt;b&amp;gt; {name}</title>'
        "<published>2026-11-22T06:00:00Z</published><updated>2026-11-22T08:00:00Z</updated>"
        f'<author><name>Ada</name></author><content type="html">{escape(html)}</content>{extra}</entry>'
    )


def laughs():
    """A billion laughs: nine entities, each ten times the one before."""
    entities = "".join(
        f'<!ENTITY lol{n} "{(f"&lol{n - 1};" if n else "ha") * 10}">' for n in range(10)
    )
    return f'<?xml version="1.0"?><!DOCTYPE lolz [{entities}]>'


def urlset(*urls):
    """A map of `url` elements, which are XML."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" '
        'xmlns:image="http://www.google.com/schemas/sitemap-image/1.1" '
        f'xmlns:video="http://www.google.com/schemas/sitemap-video/1.1">{"".join(urls)}</urlset>'
    ).encode()


def url(address, *, lastmod="", inside=""):
    """A page of a map."""
    changed = f"<lastmod>{lastmod}</lastmod>" if lastmod else ""
    return f"<url><loc>{escape(address)}</loc>{changed}<changefreq>daily</changefreq>{inside}</url>"


def image(address, *, title="", caption="", licence=""):
    """An image of a page."""
    parts = {"title": title, "caption": caption, "license": licence}
    inside = "".join(
        f"<image:{name}>{escape(text)}</image:{name}>" for name, text in parts.items() if text
    )
    return f"<image:image><image:loc>{escape(address)}</image:loc>{inside}</image:image>"


def index(*maps):
    """An index of maps: pairs of address and lastmod."""
    inside = "".join(
        f"<sitemap><loc>{escape(address)}</loc>{f'<lastmod>{when}</lastmod>' if when else ''}</sitemap>"
        for address, when in maps
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{inside}</sitemapindex>'
    ).encode()
