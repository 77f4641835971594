from __future__ import annotations

from services.crawler.fetch.url import parse_url
from services.crawler.resolvers.resolution import (
    IMAGES_MAX,
    NOT_KNOWN,
    NOTHING,
    Answer,
    Ask,
    AskKind,
    Images,
    ImageUrl,
    or_else,
)


def image(name):
    return ImageUrl(parse_url(f"https://h/{name}.jpg"))


def test_images_once_each_and_bounded():
    """None is left out, repetitions too; over 500 they are said not to be all."""
    assert Images.of([image("a"), None, image("b"), image("a")]).images == (image("a"), image("b"))
    full = [image(str(number)) for number in range(IMAGES_MAX)]
    assert Images.of([*full, image("0")]).is_best
    cut = Images.of([*full, image("more")])
    assert (len(cut.images), cut.is_best) == (IMAGES_MAX, False)
    assert not Images.of([], is_best=False).is_best


def test_or_else():
    """The last is taken wherever the first ends without images: at once, as read, or fallen back."""
    some, last = Images((image("a"),)), Images((image("z"),), is_best=False)
    assert or_else(some, last) is some
    assert or_else(NOTHING, last) is last
    answer = Answer(parse_url("https://h/"), "")
    ask = Ask(answer.url, AskKind.PAGE, lambda _: NOTHING, fallback=NOT_KNOWN)
    tried = or_else(ask, last)
    assert tried.read(answer) is last
    assert tried.fallback == last
    nested = or_else(Ask(answer.url, AskKind.PAGE, lambda _: ask, fallback=some), last)
    assert nested.read(answer).read(answer) is last
    assert nested.fallback is some
    assert or_else(NOT_KNOWN, NOTHING) is NOT_KNOWN
    assert or_else(NOT_KNOWN, some) == Images(some.images, is_best=False)
    assert or_else(NOT_KNOWN, ask) is ask


def test_each_key_has_one_host():
    """Pages need none."""
    hosts = {kind.value: kind.key_host for kind in AskKind}
    assert hosts == {
        "PAGE": "",
        "IMGUR_API": "api.imgur.com",
        "FLICKR_API": "api.flickr.com",
        "REDDIT_API": "oauth.reddit.com",
    }
