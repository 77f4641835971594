from __future__ import annotations

import asyncio
import json
import os
import stat
from contextlib import aclosing, asynccontextmanager

import psutil
import pytest

from services.crawler.fetch.identity import ContactMissing, Identity
from services.crawler.sources import gallery_dl
from services.crawler.sources.gallery_dl import GALLERY_DL, GalleryDlSource
from services.crawler.sources.gallery_dl_process import ProcessLimits, find_program
from services.crawler.sources.registry import SourceRegistry
from services.crawler.sources.source import BadSource, BlockReason, SourceBlocked, SourceFailed
from tests.crawler.fetch.raw_server import RawServer, answer, says
from tests.crawler.fetch.support import fetcher_for
from tests.crawler.sources.listing import batches_of, last_cursor, posts_of, source_tools
from tests.faithful.api_server import Scripted, json_response
from tests.faithful.mastodon_server import MastodonServer

LIMITS = ProcessLimits(pause_s=0.01, silence_s=30.0)


@asynccontextmanager
async def source_of(text, *allowed, limits=LIMITS, **fetching):
    """A source whose proxy lets it reach 127.0.0.1 at these ports."""
    async with fetcher_for(*allowed, **fetching) as fetcher:
        tools = source_tools(guard_proxy=fetcher.open_proxy)
        parsed = GALLERY_DL.parse(text, text.partition(":")[2], tools)
        yield GalleryDlSource(parsed._url, parsed._word, tools, limits)


def source_at(server, path="/@lens", **kwargs):
    return source_of(f"gallery-dl:mastodon:{server.origin}{path}", server.port, **kwargs)


async def failure_of(source, cursor=""):
    """The failure of a look, and the posts that came before it."""
    posts = []
    with pytest.raises(SourceFailed) as failed:
        async for batch in source.list_posts(cursor):
            posts += batch.posts
    return failed.value, posts


def write_program(folder, monkeypatch, body):
    """Puts a program of the test's own in gallery-dl's place."""
    program = folder / "gallery-dl"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(gallery_dl, "find_program", lambda: str(program))


async def test_a_site_s_posts_with_what_it_says_of_them() -> None:
    """The real program lists an account of a real API: images, name, page, time, author, tags, warnings."""
    async with MastodonServer() as server:
        server.publish(attachments=2)
        server.publish(sensitive=True, spoiler_text="heights")
        server.publish(kind="video")
        async with source_at(server) as source:
            assert source.uri == f"gallery-dl:mastodon:{server.origin}/@lens"
            video, warned, post = await posts_of(source)
    assert [image.url.text for image in post.images.images] == [
        f"{server.origin}/system/media/1{n}/original/1{n}.jpg" for n in (1, 2)
    ]
    assert post.post_id.endswith("/1001")
    assert post.page_url == f"{server.origin}/@lens/1001"
    assert (post.time, post.author) == (1_793_494_800.0, "lens")
    assert post.title == "Lake &amp; hills, day 1"
    assert post.facts["tags"] == ["landscape"]
    assert (post.flags.over_18, post.flags.is_spoiler, post.flags.is_video) == (False,) * 3
    assert (warned.flags.over_18, warned.flags.is_spoiler) == (True, True)
    assert (video.flags.is_video, video.images.images) == (True, ())


async def test_it_says_who_it_is_and_brings_nothing_along(tmp_path, monkeypatch) -> None:
    """Our own name, no cookies, no settings of the person who runs the crawler."""
    (tmp_path / ".gallery-dl.conf").write_text(
        json.dumps({"user-agent": "spoofed", "cookies": {"a": "b"}})
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    async with MastodonServer() as server:
        server.publish()
        async with source_at(server, identity=Identity("9", "me@example.org")) as source:
            await posts_of(source)
    assert {asked.headers["user-agent"] for asked in server.asked} == {
        "Lodestone/9 (+me@example.org)"
    }
    assert not any("cookie" in asked.headers for asked in server.asked)
    assert [path.name for path in tmp_path.iterdir()] == [".gallery-dl.conf"]


async def test_it_cannot_reach_what_the_guard_forbids() -> None:
    """A listener on loopback that is not allowed sees nothing, asked for or redirected to; the allowed one is asked."""
    async with RawServer(says(answer(b"secret"))) as trap, MastodonServer() as server:
        text = f"gallery-dl:mastodon:http://127.0.0.1:{trap.port}/@lens"
        async with source_of(text, server.port) as source:
            direct, _ = await failure_of(source)
        server.scripted.append(Scripted(status=302, headers={"Location": trap.url("/")}))
        server.scripted.append(Scripted(status=302, headers={"Location": trap.url("/")}))
        async with source_at(server) as source:
            redirected, _ = await failure_of(source)
    assert trap.connections == 0
    assert len(server.asked) > 0
    for failure in (direct, redirected):
        assert isinstance(failure, SourceBlocked)
        assert failure.reason is BlockReason.FORBIDDEN
        assert "loopback" in failure.cause


async def test_nobody_is_asked_without_a_contact() -> None:
    """A host that is not our own can reach whoever runs this, or is not asked."""
    text = "gallery-dl:mastodon:http://site.example/@lens"
    names = {"site.example": [["93.184.215.14"]]}
    async with source_of(text, identity=Identity("0"), names=names) as source:
        with pytest.raises(ContactMissing):
            await posts_of(source)


async def test_a_link_to_an_image() -> None:
    """`directlink`, its simplest part: nothing is asked for before the image itself is."""
    async with source_of("gallery-dl:https://site.example/x/image.jpg") as source:
        [post] = await posts_of(source)
    assert [one.url.text for one in post.images.images] == ["https://site.example/x/image.jpg"]


async def test_pages_that_a_page_leads_to() -> None:
    """Those whom an account follows are asked next, with the same part of gallery-dl, one level deep."""
    async with MastodonServer() as server:
        server.publish(3)
        async with source_at(server, "/@lens/following") as source:
            posts = await posts_of(source)
    assert len(posts) == 3
    assert [a.query["acct"] for a in server.asked if "acct" in a.query] == ["lens", "friend"]


async def test_a_later_look_ends_where_the_known_begin() -> None:
    """Newest first: 60 posts are listed once; a later look asks for one page, not for all, and finds the new one."""
    async with MastodonServer() as server:
        server.publish(60)
        async with source_at(server) as source:
            batches = await batches_of(source)
            asked_first = len(server.asked)
            cursor = batches[-1].cursor
            assert json.loads(cursor)["newest_first"] is True
            server.publish()
            later = await posts_of(source, cursor)
    assert sum(len(batch.posts) for batch in batches) == 60
    assert later[0].post_id.endswith("/1061")
    # The page of 50 is gathered whole, which takes three of the API's; the last of them is not asked for again.
    assert len(later) == 1
    assert len(server.asked) - asked_first <= asked_first


async def test_a_place_in_another_order_is_listed_whole_each_time() -> None:
    """Oldest first: nothing new would come behind what is known, if a look ended there."""
    async with MastodonServer() as server:
        server.publish(30)
        server.statuses.reverse()
        for number, status in enumerate(server.statuses):
            status["id"] = str(1001 + number)
        async with source_at(server) as source:
            cursor = await last_cursor(source)
            again = await posts_of(source, cursor)
    assert json.loads(cursor)["newest_first"] is False
    assert len(again) == 30


async def test_a_cursor_of_another_version_is_empty() -> None:
    """Whatever stands in it."""
    async with MastodonServer() as server:
        server.publish(2)
        async with source_at(server) as source:
            for cursor in ("x", "[]", "3", '{"known": 3}', '{"known": [1, null]}', "[" * 50_000):
                assert len(await posts_of(source, cursor)) == 2


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (403, BlockReason.FORBIDDEN),
        (429, BlockReason.RATE_LIMITED),
        (401, BlockReason.CREDENTIALS_REFUSED),
    ],
)
async def test_a_host_that_does_not_let_it_in(status: int, reason: BlockReason) -> None:
    """Its status is the reason; a rate limit is waited for by us, not by the program."""
    async with (
        RawServer(says(answer(status=f"{status} No"))) as server,
        source_of(f"gallery-dl:Danbooru:{server.url('/posts?tags=lake')}", server.port) as source,
    ):
        failure, _ = await failure_of(source)
    assert isinstance(failure, SourceBlocked)
    assert (failure.reason, failure.retry_s) == (reason, 60.0 if status == 429 else None)
    assert len(server.requests) == 1


async def test_a_page_that_is_no_json() -> None:
    """HTML with status 200 is a failure with the program's own words."""
    async with (
        RawServer(says(answer(b"<html>Hi"))) as server,
        source_of(f"gallery-dl:Danbooru:{server.url('/posts?tags=lake')}", server.port) as source,
    ):
        failure, _ = await failure_of(source)
    assert not isinstance(failure, SourceBlocked)
    assert "status 1" in failure.cause


async def test_a_site_that_it_does_not_know() -> None:
    """One clear sentence."""
    async with source_of("gallery-dl:https://nowhere.example/x") as source:
        failure, _ = await failure_of(source)
    assert failure.cause == "gallery-dl knows no site for https://nowhere.example/x"


async def test_posts_before_a_failure_are_kept() -> None:
    """The second page fails: the first is listed, the failure told, and no cursor is moved."""
    async with MastodonServer() as server:
        server.publish(30)
        real = server.answer

        def answer_first_page(request):
            more = "max_id" in request.query
            return json_response({"error": "No"}, status=403) if more else real(request)

        server.answer = answer_first_page
        async with source_at(server) as source:
            failure, posts = await failure_of(source)
    assert len(posts) == 20
    assert "gallery-dl ended" in failure.cause


async def test_a_program_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kind says what to do, and so does a look."""
    monkeypatch.setattr(gallery_dl, "find_program", lambda: "")
    assert "install gallery-dl" in GALLERY_DL.obstacle(source_tools())
    async with source_of("gallery-dl:https://site.example/a.jpg") as source:
        failure, _ = await failure_of(source)
    assert failure.reason is BlockReason.TOOL_MISSING
    assert "install gallery-dl" in failure.cause


async def test_leaving_early_kills_what_it_started(tmp_path, monkeypatch) -> None:
    """Nobody wants more: the program and its children are gone when the look is closed."""
    body = f"""echo "$$" > {tmp_path}/pids; sleep 600 & echo "$!" >> {tmp_path}/pids
i=0; while true; do i=$((i+1)); echo "post {{\\"id\\": $i}}"; done"""
    write_program(tmp_path, monkeypatch, body)
    async with (
        source_of("gallery-dl:https://site.example/a.jpg") as source,
        aclosing(source.list_posts("")) as batches,
    ):
        first = await anext(batches)
    assert len(first.posts) == 50
    pids = [int(line) for line in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2
    async with asyncio.timeout(30):
        while any(_runs(pid) for pid in pids):
            await asyncio.sleep(0.01)


def _runs(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_what_it_says_has_bounds(tmp_path, monkeypatch) -> None:
    """An endless line, no JSON, depth, wrong types: each is one entry that is left out; the rest is read."""
    deep = '{"a":' * 20_000 + "1" + "}" * 20_000
    lines = [
        "post " + "x" * 3_000_000,
        "post no json",
        f"post {deep}",
        "post [1, 2]",
        "other {}",
        "",
        'post {"id": null, "title": 3, "date": 5, "author": [{}], "tags": [null, {"name": 1}]}',
        'file {"lodestone_url": 3}',
        'file {"lodestone_url": "ytdl:https://a/b"}',
        'file {"lodestone_url": "file:///etc/passwd"}',
        'file {"lodestone_url": "https://site.example/good.jpg"}',
        'child {"lodestone_url": "recursive:file:///etc/passwd"}',
    ]
    (tmp_path / "said").write_text("\n".join(lines))
    write_program(tmp_path, monkeypatch, f"cat {tmp_path}/said")
    async with source_of("gallery-dl:https://site.example/") as source:
        batches = await batches_of(source)
    [post] = [post for batch in batches for post in batch.posts]
    assert [image.url.text for image in post.images.images] == ["https://site.example/good.jpg"]
    assert (post.title, post.author, post.time) == ("", "", None)
    assert sum(batch.skipped_count for batch in batches) == 10


async def test_a_program_that_says_nothing_or_too_much(tmp_path, monkeypatch) -> None:
    """Silence ends in time, and entries have a bound; what came is listed."""
    write_program(tmp_path, monkeypatch, "echo 'post {\"id\": 1}'; sleep 600")
    short = ProcessLimits(silence_s=0.3)
    async with source_of("gallery-dl:https://site.example/", limits=short) as source:
        failure, posts = await failure_of(source)
    assert "said nothing" in failure.cause
    assert len(posts) == 1
    write_program(tmp_path, monkeypatch, "seq -f 'post {\"id\": %.0f}' 1000")
    few = ProcessLimits(messages=100)
    async with source_of("gallery-dl:https://site.example/", limits=few) as source:
        failure, _ = await failure_of(source)
    assert "more than 100 entries" in failure.cause


async def test_its_secret_is_shown_nowhere(tmp_path, monkeypatch, capsys) -> None:
    """Not among its arguments, which all on the machine can read, and not in what it is made to say of it."""
    write_program(
        tmp_path,
        monkeypatch,
        f'cat > {tmp_path}/stdin; echo "$@" > {tmp_path}/arguments\necho "$http_proxy" >&2; exit 1',
    )
    async with source_of("gallery-dl:https://site.example/") as source:
        failure, _ = await failure_of(source)
    told = json.loads((tmp_path / "stdin").read_text())
    secret = told["proxy"].split("@")[0].rpartition(":")[2]
    assert len(secret) >= 20
    shown = (tmp_path / "arguments").read_text() + str(failure) + "".join(capsys.readouterr())
    assert secret not in shown


def test_what_is_a_source() -> None:
    """An http or https URL, with the part to use or without; parts that read files or start programs are refused."""
    registry = SourceRegistry(source_tools())
    for text, uri in (
        ("gallery-dl:https://Site.example/a#b", "gallery-dl:https://site.example/a"),
        ("GALLERY-DL: https://site.example", "gallery-dl:https://site.example/"),
        (
            "gallery-dl:mastodon:https://site.example/@a",
            "gallery-dl:mastodon:https://site.example/@a",
        ),
    ):
        assert registry.parse(text).uri == uri
        assert registry.parse(uri).uri == uri
    for text in (
        "gallery-dl:",
        "gallery-dl:file:///etc/passwd",
        "gallery-dl:recursive:https://site.example/",
        "gallery-dl:r:file:///etc/passwd",
        "gallery-dl:ytdl:https://site.example/",
        "gallery-dl:oauth:flickr",
        "gallery-dl:--config=/etc/passwd",
        "gallery-dl:https://user:pw@site.example/",
    ):
        with pytest.raises(BadSource):
            registry.parse(text)


def test_the_real_program_is_there() -> None:
    """The tests above run gallery-dl itself, which the test extra installs."""
    assert os.access(find_program(), os.X_OK)
