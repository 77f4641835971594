"""The images that Reddit itself keeps of a post: galleries, inline media, previews."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

from services.crawler.fetch.url import parse_url
from services.crawler.resolvers.reading import elements, image_suffix, members, web_url, word
from services.crawler.resolvers.resolution import NOTHING, Images, ImageUrl
from services.crawler.sources.text import clean_text

_ID = re.compile(r"[A-Za-z0-9]{6,40}")
_OWN_HOSTS = frozenset({"preview.redd.it", "i.redd.it"})
_PREVIEW_HOSTS = frozenset({"preview.redd.it", "external-preview.redd.it", "i.redditmedia.com"})
# Galleries have at most 20 images, texts at most 40,000 characters; this is for what strangers make up.
_MEDIA_MAX = 200
_TEXT_MAX_CHARACTERS = 100_000
# `![img](ID "caption")` of the editor, `[caption](https://preview.redd.it/ID.jpg?…)` and bare addresses in markdown.
_MENTION = re.compile(
    r"""
    \[ (?P<label> [^\[\]\n]{0,300} ) \] \( (?P<target> [^\s()"]{1,300} ) (?: \s "(?P<caption> [^"\n]{0,300} )" )?
    | (?P<bare> https://preview\.redd\.it/[^\s()"]{1,300} )
    """,
    re.VERBOSE,
)
_NO_CAPTIONS = frozenset({"img", "gif", "image"})


def is_gallery(post: Mapping[str, Any]) -> bool:
    """Whether a post is a gallery; its `url` is then not one of an image."""
    return post.get("is_gallery") is True or bool(members(post.get("gallery_data")))


def read_gallery(post: Mapping[str, Any]) -> Images:
    """The images of a gallery in its order, with their captions.

    Those that are `valid` images of a type that is kept; animations that Reddit plays as films are left out.
    """
    media = members(post.get("media_metadata"))
    items = elements(members(post.get("gallery_data")).get("items"))
    captions: dict[str, str] = {}
    for item in map(members, items[:_MEDIA_MAX]):
        captions.setdefault(word(item.get("media_id")), clean_text(item.get("caption")))
    return _images_of(media, captions or dict.fromkeys(islice(media, _MEDIA_MAX), ""))


def read_inline_media(post: Mapping[str, Any]) -> Images:
    """The images inside a post's text, in the text's order; then those that the text does not mention."""
    media = members(post.get("media_metadata"))
    if not media:
        return NOTHING
    mentioned = _mentions(word(post.get("selftext"))[:_TEXT_MAX_CHARACTERS])
    known = {media_id: caption for media_id, caption in mentioned.items() if media_id in media}
    return _images_of(
        media, known | {key: "" for key in islice(media, _MEDIA_MAX) if key not in known}
    )


def read_previews(post: Mapping[str, Any]) -> Images:
    """Reddit's copies of the image that a post links to: the largest of each, marked as previews."""
    images = elements(members(post.get("preview")).get("images"))
    sources = (members(members(image).get("source")).get("url") for image in images[:_MEDIA_MAX])
    urls = (web_url(source) for source in sources)
    found = (ImageUrl(url, is_preview=True) for url in urls if url and url.host in _PREVIEW_HOSTS)
    return Images.of(found, is_best=False)


def _images_of(media: Mapping[str, Any], captions: Mapping[str, str]) -> Images:
    return Images.of(_image(key, media.get(key), caption) for key, caption in captions.items())


def _image(media_id: str, entry: object, title: str) -> ImageUrl | None:
    facts = members(entry)
    suffix = image_suffix(facts.get("m"))
    if facts.get("e") != "Image" or facts.get("status") != "valid" or not suffix:
        return None
    source = web_url(members(facts.get("s")).get("u"))
    # Emoji, stickers and what came from other hosts have ids that name no file of i.redd.it.
    if source is None or source.host in _OWN_HOSTS:
        is_own = _ID.fullmatch(word(media_id)) is not None
        return (
            ImageUrl(parse_url(f"https://i.redd.it/{media_id}{suffix}"), title) if is_own else None
        )
    is_copy = source.host in _PREVIEW_HOSTS
    return ImageUrl(source, title, is_preview=True) if is_copy else None


def _mentions(text: str) -> dict[str, str]:
    """Captions by media id, in the text's order; the first mention counts."""
    captions: dict[str, str] = {}
    for match in islice(_MENTION.finditer(text), _MEDIA_MAX):
        target = match["target"] or match["bare"]
        media_id = target.rpartition("/")[2].partition("?")[0].partition(".")[0].rpartition("-")[2]
        captions.setdefault(media_id, _caption(match["caption"] or match["label"] or ""))
    return captions


def _caption(text: str) -> str:
    caption = clean_text(text)
    is_caption = caption not in _NO_CAPTIONS and not caption.startswith("https://")
    return caption if is_caption else ""
