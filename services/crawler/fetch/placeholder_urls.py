"""Addresses that hosts redirect to in place of pictures that are gone: what lies there is known without asking."""

from __future__ import annotations

import re

from services.crawler.fetch.url import WebUrl

# Imgur: https://github.com/4pr0n/ripme/issues/13, https://github.com/mikf/gallery-dl/issues/5308,
# https://github.com/JDimproved/JDim/issues/1433.
_IMGUR_HOSTS = frozenset({"i.imgur.com", "imgur.com"})
_IMGUR_PATH = "/removed.png"
# Flickr: `https://s.yimg.com/pw/images/en-us/photo_unavailable.png`, also `_s`, `_m`, `_l`, and before 2014
# `http://l.yimg.com/g/images/photo_unavailable.gif`
# (https://github.com/imathis/octopress, source/_posts/2009-03-18-flickr-photo-gallery.markdown).
_FLICKR_HOSTS = frozenset({"s.yimg.com", "l.yimg.com"})
_FLICKR_PATH = re.compile(
    r"/(?:pw|g)/images/(?:[a-z]{2}-[a-z]{2}/)?photo_unavailable(?:_[a-z])?\.(?:gif|png|jpg)"
)


def is_placeholder_url(url: WebUrl, more: frozenset[str] = frozenset()) -> bool:
    """Whether an address is known to show what stands for pictures that are gone.

    Args:
        url: The address.
        more: Further such addresses, in canonical form.
    """
    if url.host in _IMGUR_HOSTS and url.path == _IMGUR_PATH:
        return True
    if url.host in _FLICKR_HOSTS and _FLICKR_PATH.fullmatch(url.path):
        return True
    return url.text in more
