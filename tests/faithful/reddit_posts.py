"""Posts as Reddit's API gives them: the `data` of a `t3`, in every shape that a listing has.

Fields, after https://www.reddit.com/dev/api and https://github.com/reddit-archive/reddit/wiki/JSON:

- `id`: base 36, without the `t3_` that `name` has before it. `permalink`: a path on www.reddit.com.
- `created_utc`: seconds since 1970, a float. `author`: a name, or `[deleted]`.
- `url`: what the post links to; of a text post itself, of a gallery `https://www.reddit.com/gallery/ID`, of a crosspost
  the address of what it is a crosspost of. `url_overridden_by_dest` is there for links only.
- `is_self`: a text post, with `selftext` in markdown. `is_video`: a film that Reddit has (`v.redd.it`).
- `is_gallery`, `gallery_data.items[]` (`media_id`, `caption`, in order) and `media_metadata` by media id: `status`
  (`valid`, `failed`, `unprocessed`), `e` (`Image`, `AnimatedImage`), `m` (MIME type), `s` (`x`, `y`, `u`: the preview).
  Of a text post `media_metadata` has the images in its text.
- `removed_by_category`: null, `moderator`, `deleted`, `reddit`, `automod_filtered` and others.
- `over_18`, `spoiler`: flags that moderators and authors set. `link_flair_text`: null or the label.
- `crosspost_parent_list`: the whole post that it is a crosspost of, which has its own flags and images.
- `preview.images[].source`: Reddit's copy. `poll_data`: options and counts of a poll.
"""

from __future__ import annotations

FIRST_TIME = 1_795_000_000.0


def link_post(post_id, **changes):
    """A link to an image that Reddit has; what `changes` gives None is there and null."""
    community = changes.get("subreddit", "EarthPorn")
    image = f"https://i.redd.it/{post_id}pic00000.jpg"
    return {
        "id": post_id,
        "name": f"t3_{post_id}",
        "subreddit": community,
        "subreddit_name_prefixed": f"r/{community}",
        "title": f"Lake {post_id} [OC] [6000x4000]",
        "author": "hiker",
        "author_fullname": "t2_1a2b3",
        "created_utc": FIRST_TIME + int(post_id, 36) % 1_000_000,
        "permalink": f"/r/{community}/comments/{post_id}/lake/",
        "url": image,
        "url_overridden_by_dest": image,
        "domain": "i.redd.it",
        "post_hint": "image",
        "selftext": "",
        "is_self": False,
        "is_video": False,
        "over_18": False,
        "spoiler": False,
        "removed_by_category": None,
        "link_flair_text": None,
        "num_comments": 12,
        "score": 4_321,
        "thumbnail": f"https://b.thumbs.redditmedia.com/{post_id}.jpg",
        "preview": {
            "enabled": True,
            "images": [
                {
                    "id": "Xy-Z",
                    "source": {
                        "url": f"https://preview.redd.it/{post_id}pic00000.jpg?auto=webp&s=0a1b",
                        "width": 6_000,
                        "height": 4_000,
                    },
                    "resolutions": [],
                }
            ],
        },
    } | changes


def gallery_post(post_id, *media_ids, **changes):
    """A gallery, in the order of `media_ids`; the second has a caption, and one further image failed."""
    own_id = f"https://www.reddit.com/gallery/{post_id}"
    items = [
        {"media_id": name, "id": number, "caption": "second" if number == 2 else ""}
        for number, name in enumerate((*media_ids, "failed0000000"), 1)
    ]
    return link_post(
        post_id,
        **{
            "is_gallery": True,
            "url": own_id,
            "url_overridden_by_dest": own_id,
            "domain": "reddit.com",
            "gallery_data": {"items": items},
            "media_metadata": {name: _media(name) for name in reversed(media_ids)}
            | {"failed0000000": {"status": "failed"}},
        }
        | changes,
    )


def text_post(post_id, *media_ids, **changes):
    """A text post with images in its text."""
    community = changes.get("subreddit", "EarthPorn")
    post = link_post(
        post_id,
        **{
            "is_self": True,
            "url": f"https://www.reddit.com/r/{community}/comments/{post_id}/lake/",
            "domain": f"self.{community}",
            "selftext": "\n\n".join(f"![img]({name})" for name in media_ids),
        }
        | ({"media_metadata": {name: _media(name) for name in media_ids}} if media_ids else {})
        | changes,
    )
    del post["url_overridden_by_dest"], post["preview"]
    return post


def video_post(post_id, **changes):
    """A film that Reddit has."""
    film = f"https://v.redd.it/{post_id}film"
    return link_post(
        post_id,
        **{"is_video": True, "url": film, "url_overridden_by_dest": film, "domain": "v.redd.it"}
        | changes,
    )


def crosspost(post_id, parent, **changes):
    """A crosspost of another post."""
    url = f"https://www.reddit.com{parent['permalink']}"
    return link_post(
        post_id,
        **{
            "subreddit": "pics",
            "url": url,
            "url_overridden_by_dest": url,
            "crosspost_parent": parent["name"],
            "crosspost_parent_list": [parent],
        }
        | changes,
    )


def deleted_post(post_id, **changes):
    """A post that its author has deleted: the name is gone, the rest is not."""
    return link_post(post_id, **{"author": "[deleted]", "removed_by_category": "deleted"} | changes)


def removed_post(post_id, **changes):
    """A post that moderators have removed."""
    return text_post(
        post_id, **{"selftext": "[removed]", "removed_by_category": "moderator"} | changes
    )


def poll_post(post_id, **changes):
    """A poll."""
    options = [{"id": "1", "text": "lake"}, {"id": "2", "text": "hill"}]
    return text_post(post_id, poll_data={"options": options, "total_vote_count": 7}, **changes)


def every_shape():
    """One of each, newest first, with the images that each stands for, best first."""
    lake = link_post("1lake")
    return [
        (lake, ["https://i.redd.it/1lakepic00000.jpg"]),
        (
            gallery_post("1gal", "mediab0000000", "mediaa0000000"),
            ["https://i.redd.it/mediab0000000.jpg", "https://i.redd.it/mediaa0000000.jpg"],
        ),
        (text_post("1text", "mediac0000000"), ["https://i.redd.it/mediac0000000.jpg"]),
        (text_post("1bare"), []),
        (crosspost("1cross", lake), ["https://i.redd.it/1lakepic00000.jpg"]),
        (
            crosspost("1crgal", gallery_post("1par", "mediad0000000")),
            ["https://i.redd.it/mediad0000000.jpg"],
        ),
        (video_post("1film"), []),
        (crosspost("1crfil", video_post("1pfil")), []),
        (deleted_post("1del"), []),
        (removed_post("1rem"), []),
        (poll_post("1poll"), []),
        (link_post("1nsfw", over_18=True), ["https://i.redd.it/1nsfwpic00000.jpg"]),
        (link_post("1spoil", spoiler=True), ["https://i.redd.it/1spoilpic00000.jpg"]),
        (
            link_post("1null", url=None, url_overridden_by_dest=None),
            ["https://preview.redd.it/1nullpic00000.jpg?auto=webp&s=0a1b"],
        ),
    ]


def _media(media_id):
    preview = f"https://preview.redd.it/{media_id}.jpg?width=1080&format=pjpg&auto=webp&s=0a"
    sizes = {"y": 4_000, "x": 6_000, "u": preview}
    return {"status": "valid", "e": "Image", "m": "image/jpg", "s": sizes, "p": [], "id": media_id}
