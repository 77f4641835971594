"""Posts of Reddit as archives keep them: made up, but of the shapes and in the shares of a real month.

Fields, types and shares are those that the Arctic Shift archive counted in the 38,188,278 posts of December 2024
(https://github.com/ArthurHeitmann/arctic_shift/blob/master/schemas/RS/2024/RS_2024-12.ts): 11 % galleries with 3.7
images and a caption to every third, 3 % videos, 7 % embedded ones, 3 % crossposts, 49 % with previews and half of those
for adults, 18 % gone by the second look and 2 % come back. What it does not count (hosts, lengths of texts) is guessed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.sourcing.reddit_fields import base_fields
from benchmarks.sourcing.reddit_words import caption, name, paragraph, sentence, token

Fields = dict[str, Any]

DAY_S = 86_400
_FIRST_ID = 0x1_0000_0000
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_REMOVALS = ("deleted", "moderator", "reddit", "automod_filtered", "content_takedown")
_NEWS = ("news.example", "blog.example", "magazine.example", "shop.example", "wiki.example")


class RedditPosts:
    """An endless day: the same seed gives the same posts, ascending by time and id."""

    def __init__(self, *, seed: int, first_time: int, per_day: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - nothing secret
        self._first_time = first_time
        self._per_day = per_day
        self._subreddits = [name(self._random) for _ in range(2_000)]
        self._authors = [name(self._random) for _ in range(20_000)]
        kinds = (
            (0.395, self._text),
            (0.108, self._gallery),
            (0.270, self._image),
            (0.031, self._video),
            (0.066, self._embedded),
            (0.020, self._imgur),
            (0.002, self._flickr),
            (0.075, self._link),
            (0.033, self._crosspost),
        )
        self._kinds = [kind for _, kind in kinds]
        self._shares = [share for share, _ in kinds]

    def __iter__(self) -> Iterator[Fields]:
        """One post after the other, without end."""
        number = 0
        while True:
            yield self._post(number)
            number += 1

    def _post(self, number: int) -> Fields:
        rng = self._random
        second = self._first_time + number * DAY_S // self._per_day
        post = self._blank(_base36(_FIRST_ID + number), second)
        kind: Callable[[Fields], None] = rng.choices(self._kinds, self._shares)[0]
        kind(post)
        post["_meta"] = self._second_look(post, second)
        return post

    def _blank(self, post_id: str, second: int) -> Fields:
        rng = self._random
        # Few communities have most of the posts.
        subreddit = self._subreddits[int(len(self._subreddits) * rng.random() ** 3)]
        title = sentence(rng, 3, 16)
        slug = "_".join(filter(str.isalnum, title.lower().split()))[:50] or "untitled"
        is_adult = rng.random() < 0.42
        flair = sentence(rng, 1, 3) if rng.random() < 0.44 else None
        return base_fields(rng) | {
            "id": post_id,
            "name": f"t3_{post_id}",
            "author": rng.choice(self._authors),
            "author_fullname": f"t2_{token(rng, 9).lower()}",
            "created": second,
            "created_utc": second,
            "retrieved_on": second + rng.randint(5, 60),
            "link_flair_text": flair,
            "over_18": is_adult,
            "permalink": f"/r/{subreddit}/comments/{post_id}/{slug}/",
            "spoiler": rng.random() < 0.01,
            "subreddit": subreddit,
            "subreddit_id": f"t5_{token(rng, 6).lower()}",
            "subreddit_name_prefixed": f"r/{subreddit}",
            "title": title,
            "url": f"https://www.reddit.com/r/{subreddit}/comments/{post_id}/{slug}/",
        }

    def _text(self, post: Fields) -> None:
        rng = self._random
        length = min(int(rng.lognormvariate(5.6, 1.2)), 30_000)
        post |= {
            "is_self": True,
            "domain": f"self.{post['subreddit']}",
            "selftext": paragraph(rng, length),
        }
        if rng.random() < 0.035:
            media = self._media(rng.randint(1, 3))
            mentions = "\n\n".join(_preview_url(rng, key) for key in media)
            post |= {"media_metadata": media, "selftext": f"{post['selftext']}\n\n{mentions}"}

    def _gallery(self, post: Fields) -> None:
        rng = self._random
        media = self._media(min(20, 2 + int(rng.expovariate(0.6))))
        items = [
            {"id": rng.randint(10**8, 10**9), "media_id": key}
            | ({"caption": caption(rng)} if rng.random() < 0.34 else {})
            for key in media
        ]
        url = f"https://www.reddit.com/gallery/{post['id']}"
        post |= {
            "is_gallery": True,
            "gallery_data": {"items": items},
            "media_metadata": media,
            "domain": "reddit.com",
            "url": url,
            "url_overridden_by_dest": url,
        }

    def _image(self, post: Fields) -> None:
        rng = self._random
        suffix = rng.choices(("jpeg", "jpg", "png", "gif"), (70, 8, 18, 4))[0]
        file = f"{token(rng, 13).lower()}.{suffix}"
        url = f"https://i.redd.it/{file}"
        post |= {"domain": "i.redd.it", "post_hint": "image", "is_reddit_media_domain": True}
        post |= {"url": url, "url_overridden_by_dest": url, "thumbnail": self._thumbnail()}
        post["preview"] = self._preview(post, f"https://preview.redd.it/{file}")

    def _video(self, post: Fields) -> None:
        rng = self._random
        key = token(rng, 13).lower()
        base = f"https://v.redd.it/{key}"
        video = {
            "bitrate_kbps": 2_400,
            "dash_url": f"{base}/DASHPlaylist.mpd?a=17{rng.randint(10**8, 10**9)}%2C{token(rng, 64)}",
            "duration": rng.randint(3, 600),
            "fallback_url": f"{base}/DASH_720.mp4?source=fallback",
            "has_audio": True,
            "height": 1280,
            "hls_url": f"{base}/HLSPlaylist.m3u8?a=17{rng.randint(10**8, 10**9)}%2C{token(rng, 64)}",
            "is_gif": False,
            "scrubber_media_url": f"{base}/DASH_96.mp4",
            "transcoding_status": "completed",
            "width": 720,
        }
        media = {"reddit_video": video}
        post |= {"is_video": True, "media": media, "secure_media": media, "domain": "v.redd.it"}
        post |= {"url": base, "url_overridden_by_dest": base, "post_hint": "hosted:video"}
        post["preview"] = self._preview(
            post, f"https://external-preview.redd.it/{token(rng, 43)}.png"
        )

    def _embedded(self, post: Fields) -> None:
        rng = self._random
        watch = f"https://www.youtube.com/watch?v={token(rng, 11)}"
        clip = f"https://www.redgifs.com/watch/{token(rng, 20).lower()}"
        url, host = (clip, "redgifs.com") if post["over_18"] else (watch, "youtube.com")
        frame = f'&lt;iframe width="356" height="200" src="{url}?feature=oembed" allowfullscreen&gt;&lt;/iframe&gt;'
        oembed = {
            "height": 200,
            "html": frame,
            "provider_name": host,
            "provider_url": f"https://www.{host}/",
            "thumbnail_height": 360,
            "thumbnail_url": f"https://i.{host}/vi/{token(rng, 11)}/hqdefault.jpg",
            "thumbnail_width": 480,
            "title": sentence(rng, 3, 12),
            "type": "video",
            "version": "1.0",
            "width": 356,
        }
        media = {"oembed": oembed, "type": host}
        embed = {"content": frame, "height": 200, "scrolling": False, "width": 356}
        post |= {"media": media, "secure_media": media, "media_embed": embed, "domain": host}
        post |= {"secure_media_embed": embed, "post_hint": "rich:video"}
        post |= {"url": url, "url_overridden_by_dest": url}
        post["preview"] = self._preview(
            post, f"https://external-preview.redd.it/{token(rng, 43)}.jpg"
        )

    def _imgur(self, post: Fields) -> None:
        rng = self._random
        key = token(rng, 7)
        paths = (f"i.imgur.com/{key}.jpg", f"imgur.com/a/{key}", f"imgur.com/{key}")
        more = (f"i.imgur.com/{key}.gifv", f"imgur.com/gallery/a-{key}")
        path = rng.choices((*paths, *more), (45, 25, 10, 15, 5))[0]
        self._external(post, f"https://{path}", "i.imgur.com")

    def _flickr(self, post: Fields) -> None:
        rng = self._random
        photo, user = rng.randint(10**10, 10**11), name(rng)
        self._external(post, f"https://www.flickr.com/photos/{user}/{photo}/", "flickr.com")

    def _link(self, post: Fields) -> None:
        rng = self._random
        host = rng.choice(_NEWS)
        slug = "-".join(sentence(rng, 3, 9).lower().split())
        query = f"?utm_source=reddit&amp;id={rng.randint(1, 10**6)}" if rng.random() < 0.2 else ""
        suffix = ".jpg" if rng.random() < 0.05 else ""
        self._external(post, f"https://www.{host}/2024/12/{slug}{suffix}{query}", host)

    def _crosspost(self, post: Fields) -> None:
        rng = self._random
        parent = self._blank(_base36(_FIRST_ID - rng.randint(1, 10**6)), post["created_utc"] - 900)
        kinds = (self._image, self._gallery, self._video, self._link, self._text)
        rng.choices(kinds, (45, 17, 12, 16, 10))[0](parent)
        post |= {"crosspost_parent": parent["name"], "crosspost_parent_list": [parent]}
        post |= {"url": parent["url"], "domain": parent["domain"], "over_18": parent["over_18"]}

    def _external(self, post: Fields, url: str, host: str) -> None:
        rng = self._random
        post |= {"url": url, "url_overridden_by_dest": url, "domain": host, "post_hint": "link"}
        post["thumbnail"] = self._thumbnail()
        if rng.random() < 0.85:
            post["preview"] = self._preview(
                post, f"https://external-preview.redd.it/{token(rng, 43)}.jpg"
            )

    def _media(self, count: int) -> Fields:
        return dict(_media_entry(self._random) for _ in range(count))

    def _preview(self, post: Fields, url: str) -> Fields:
        rng = self._random
        width, height = rng.choice(((3024, 4032), (1920, 1080), (1170, 2532), (800, 600)))
        blurred = ("nsfw", "obfuscated") if post["over_18"] else ()
        variants = {kind: _sizes(rng, f"{url}?blur=40&amp;", width, height) for kind in blurred}
        image = _sizes(rng, f"{url}?", width, height)
        return {
            "enabled": True,
            "images": [{"id": token(rng, 43), **image, "variants": variants}],
        }

    def _thumbnail(self) -> str:
        return f"https://b.thumbs.redditmedia.com/{token(self._random, 43)}.jpg"

    def _second_look(self, post: Fields, second: int) -> Fields:
        """What the archive found after 36 hours; a post that was gone at once says so itself, too."""
        rng = self._random
        found: Fields = {"retrieved_2nd_on": second + 36 * 3_600}
        chance = rng.random()
        if chance < 0.18:
            found |= {"was_deleted_later": True, "removal_type": rng.choice(_REMOVALS)}
        elif chance < 0.20:
            found |= {"was_initially_deleted": True, "removal_type": "automod_filtered"}
            post["removed_by_category"] = "automod_filtered" if rng.random() < 0.5 else None
        elif chance < 0.23:
            post |= {"removed_by_category": rng.choice(_REMOVALS), "selftext": "[removed]"}
            post["author"] = "[deleted]"
        return found


def _media_entry(rng: random.Random) -> tuple[str, Fields]:
    key = token(rng, 13).lower()
    if rng.random() < 0.005:
        return key, {"status": rng.choice(("failed", "unprocessed"))}
    mime = rng.choices(("image/jpg", "image/png", "image/gif"), (76, 22, 2))[0]
    suffix = mime.removeprefix("image/")
    sizes = [
        {"u": _preview_url(rng, key, suffix, width), "x": width, "y": width * 4 // 3}
        for width in (108, 216, 320, 640, 960, 1080)
    ]
    if suffix == "gif":
        source = {"gif": f"https://i.redd.it/{key}.gif", "x": 640, "y": 480}
        return key, {
            "e": "AnimatedImage",
            "id": key,
            "m": mime,
            "p": sizes,
            "s": source,
            "status": "valid",
        }
    source = {"u": _preview_url(rng, key, suffix, 3024), "x": 3024, "y": 4032}
    return key, {"e": "Image", "id": key, "m": mime, "p": sizes, "s": source, "status": "valid"}


def _preview_url(rng: random.Random, key: str, suffix: str = "jpg", width: int = 1080) -> str:
    query = f"width={width}&amp;format=pjpg&amp;auto=webp&amp;s={rng.getrandbits(160):040x}"
    return f"https://preview.redd.it/{key}.{suffix}?{query}"


def _sizes(rng: random.Random, url: str, width: int, height: int) -> Fields:
    def size(across: int) -> Fields:
        query = f"width={across}&amp;crop=smart&amp;auto=webp&amp;s={rng.getrandbits(160):040x}"
        return {"height": across * height // width, "url": url + query, "width": across}

    widths = [across for across in (108, 216, 320, 640, 960, 1080) if across < width]
    return {"resolutions": [size(across) for across in widths], "source": size(width)}


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits
