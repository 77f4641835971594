from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import os

import orjson
import pytest
from backports import zstd

from benchmarks.sourcing.reddit_posts import RedditPosts
from services.crawler.fetch.local_access import LocalAccess
from services.crawler.sources.archived_post import read_archived_post
from services.crawler.sources.kind import SourceTools
from services.crawler.sources.pushshift_dump import PUSHSHIFT_DUMP
from services.crawler.sources.registry import SourceRegistry
from services.crawler.sources.source import BadSource, SourceFailed
from tests.crawler.sources.listing import batches_of, last_cursor, posts_of, source_tools

FIRST_TIME = 1_733_011_200
POSTS = list(itertools.islice(RedditPosts(seed=7, first_time=FIRST_TIME, per_day=86_400), 1_500))
LINES = b"".join(orjson.dumps(post) + b"\n" for post in POSTS)
LONG = {zstd.CompressionParameter.window_log: 31}


def source(path, options=""):
    return PUSHSHIFT_DUMP.parse("x", f"{path}{options}", source_tools())


def write(path, data):
    if path.suffix == ".zst":
        data = zstd.compress(data, options=LONG)
    elif path.suffix == ".gz":
        # Without the time of writing: the same posts are the same file.
        data = gzip.compress(data, 1, mtime=0)
    path.write_bytes(data)
    return path


def ids(posts):
    return [post.post_id for post in posts]


@pytest.mark.parametrize("name", ["RS_2024-12.zst", "a.jsonl", "a.ndjson", "a.jsonl.gz"])
async def test_every_post_of_a_dump_is_listed_as_it_was_read(tmp_path, name):
    """Compressed or not, with the window of `--long=31`: all posts, in order, whole."""
    dump = write(tmp_path / name, LINES)
    batches = await batches_of(source(dump))
    assert [post for batch in batches for post in batch.posts] == list(
        map(read_archived_post, POSTS)
    )
    assert sum(batch.skipped_count for batch in batches) == 0
    assert not any(batch.gap for batch in batches)
    assert len(batches) > 3


@pytest.mark.parametrize("name", ["a.zst", "a.jsonl", "a.jsonl.gz"])
async def test_listing_goes_on_at_the_byte_behind_each_batch(tmp_path, name):
    """From whatever batch's cursor a look begins, it lists the rest and nothing else."""
    dump = write(tmp_path / name, LINES)
    batches = await batches_of(source(dump))
    done = 0
    for batch in batches:
        done += len(batch.posts)
        rest = ids(await posts_of(source(dump), batch.cursor))
        assert rest == [post["id"] for post in POSTS[done:]]
    name, _, _, _, offset, _ = json.loads(batches[1].cursor)
    assert name == dump.name
    assert LINES[offset - 1 : offset] == b"\n"


async def test_many_frames_are_one_dump(tmp_path):
    """A file of several frames, as parallel compressors write it, with a skippable one between."""
    half = LINES.index(b"\n", len(LINES) // 2) + 1
    skippable = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"
    frames = zstd.compress(LINES[:half]) + skippable + zstd.compress(LINES[half:])
    (tmp_path / "a.zst").write_bytes(frames)
    assert len(await posts_of(source(tmp_path / "a.zst"))) == len(POSTS)


@pytest.mark.parametrize("name", ["a.zst", "a.jsonl.gz"])
async def test_a_dump_that_is_cut_off_is_listed_up_to_there(tmp_path, name):
    """The posts before the cut, one gap, and no second gap while the file stays as it is."""
    dump = write(tmp_path / name, LINES)
    dump.write_bytes(dump.read_bytes()[: dump.stat().st_size * 2 // 3])
    batches = await batches_of(source(dump))
    found = ids(post for batch in batches for post in batch.posts)
    assert 0 < len(found) < len(POSTS)
    assert found == [post["id"] for post in POSTS[: len(found)]]
    [gap] = [batch.gap for batch in batches if batch.gap]
    assert gap.startswith(f"{name} is damaged or cut off")
    assert await batches_of(source(dump), batches[-1].cursor) == []
    write(dump, LINES)
    rest = await posts_of(source(dump), batches[-1].cursor)
    assert ids(rest) == [post["id"] for post in POSTS[len(found) :]]


@pytest.mark.parametrize("name", ["a.zst", "a.jsonl.gz"])
async def test_a_file_that_is_not_what_its_suffix_says_fails(tmp_path, name):
    """A page of HTML under the name of a dump, for example."""
    (tmp_path / name).write_bytes(b"<html>404</html>" * 100)
    with pytest.raises(SourceFailed, match="damaged"):
        await posts_of(source(tmp_path / name))


async def test_lines_that_are_no_posts_are_skipped_and_counted(tmp_path):
    """Broken JSON, other JSON, comments, bytes that are no text, depth 10,000, crossposts without end."""
    endless = {"id": "x", "title": "x"}
    for _ in range(100):
        endless = {"id": "x", "title": "x", "crosspost_parent_list": [endless]}
    bad = [
        b"{",
        b"[1, 2]",
        b"null",
        b'{"body": "a comment", "link_id": "t3_x"}',
        b'{"title": "\xff"}',
        b'{"title": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        orjson.dumps(endless),
    ]
    good = [orjson.dumps(post) for post in POSTS[: len(bad)]]
    mixed = [line for pair in zip(good, bad, strict=True) for line in pair]
    write(tmp_path / "a.jsonl", b"\r\n".join([*mixed, b"", b"   ", b""]))
    batches = await batches_of(source(tmp_path / "a.jsonl"))
    assert sum(len(batch.posts) for batch in batches) == len(good)
    assert sum(batch.skipped_count for batch in batches) == len(bad)


@pytest.mark.parametrize("length", [4 * 2**20 + 1, 9 * 2**20, 64])
async def test_a_line_that_is_too_long_is_never_kept(tmp_path, length):
    """Of over 4 MiB; the lines before and after it are listed, and a cursor behind it goes on there."""
    long_line = b'{"title": "' + b"x" * length + b'", "id": "long"}\n'
    first, last = LINES.split(b"\n")[:2]
    dump = write(tmp_path / "a.zst", first + b"\n" + long_line + last + b"\n")
    batches = await batches_of(source(dump))
    listed = ids(post for batch in batches for post in batch.posts)
    is_short = length == 64
    assert listed == [POSTS[0]["id"], *(["long"] if is_short else []), POSTS[1]["id"]]
    assert sum(batch.skipped_count for batch in batches) == int(not is_short)
    assert await posts_of(source(dump), batches[-1].cursor) == []


async def test_a_file_that_grows_is_listed_on(tmp_path):
    """Also one that was looked at in the middle of a line, and one shorter than its remembered beginning."""
    dump = tmp_path / "a.jsonl"
    lines = LINES.splitlines(keepends=True)
    dump.write_bytes(lines[0][:100])
    cursor = await last_cursor(source(dump))
    found = []
    for number in range(1, 5):
        dump.write_bytes(b"".join(lines[:number]) + lines[number][:50])
        batches = await batches_of(source(dump), cursor)
        found += ids(post for batch in batches for post in batch.posts)
        cursor = batches[-1].cursor
        assert await batches_of(source(dump), cursor) == []
    assert found == [post["id"] for post in POSTS[:4]]


async def test_a_last_line_without_an_end_is_listed_once(tmp_path):
    """A file whose last line is whole but for its end loses nothing and repeats nothing."""
    dump = write(tmp_path / "a.jsonl", LINES.rstrip(b"\n"))
    cursor = await last_cursor(source(dump))
    assert len(await posts_of(source(dump))) == len(POSTS)
    with dump.open("ab") as file:
        file.write(b"\n" + orjson.dumps({"id": "new", "title": "x"}))
    assert ids(await posts_of(source(dump), cursor)) == ["new"]


async def test_another_file_of_the_same_name_is_listed_from_its_beginning(tmp_path):
    """The cursor is of a file that began otherwise."""
    dump = write(tmp_path / "a.jsonl", LINES)
    cursor = await last_cursor(source(dump))
    write(dump, b'{"id": "other", "title": "x"}\n' + LINES)
    assert len(await posts_of(source(dump), cursor)) == len(POSTS) + 1
    for bad in ("nonsense", "[]", '["a", 1]', '["a", -1, 0, "", 0, null]', "[" * 9_999, "7"):
        assert len(await posts_of(source(dump), bad)) == len(POSTS) + 1


async def test_a_folder_s_dumps_come_in_the_order_of_their_names(tmp_path):
    """Comments, hidden files and links are left out; a later look lists new dumps, and has a gap for earlier ones."""
    folder = tmp_path / "dumps"
    (folder / "more").mkdir(parents=True)
    parts = [LINES[start:end] for start, end in itertools.pairwise(_cuts(4))]
    write(folder / "RS_2024-02.jsonl", parts[1])
    write(folder / "RS_2024-03.zst", parts[2])
    write(folder / "RC_2024-01.jsonl", b'{"body": "x"}\n' * 9)
    write(folder / "pics_comments.jsonl", b'{"body": "x"}\n' * 9)
    write(folder / ".RS_2024-01.jsonl", parts[0])
    (folder / "notes.txt").write_text("x")
    # A link may lead to what the crawler is not to read.
    (folder / "RS_2024-05.jsonl").symlink_to(write(tmp_path / "other.jsonl", LINES))
    batches = await batches_of(source(folder))
    found = ids(post for batch in batches for post in batch.posts)
    assert found == [orjson.loads(line)["id"] for line in (parts[1] + parts[2]).splitlines()]
    assert not any(batch.skipped_count for batch in batches)
    cursor = batches[-1].cursor
    write(folder / "more" / "RS_2024-04.jsonl.gz", parts[3])
    write(folder / "RS_2024-01.jsonl", parts[0])
    batches = await batches_of(source(folder), cursor)
    assert sum(len(batch.posts) for batch in batches) == len(parts[3].splitlines())
    assert [batch.gap for batch in batches if batch.gap] == [
        "dumps came whose names sort before RS_2024-03.zst: they are not listed"
    ]
    assert await batches_of(source(folder), batches[-1].cursor) == []


async def test_a_damaged_dump_of_a_folder_does_not_end_the_listing(tmp_path):
    """It is a gap; the next dump is listed."""
    (tmp_path / "RS_2024-01.zst").write_bytes(b"nonsense" * 100)
    write(tmp_path / "RS_2024-02.zst", LINES)
    batches = await batches_of(source(tmp_path))
    assert sum(len(batch.posts) for batch in batches) == len(POSTS)
    assert [batch.gap[:14] for batch in batches if batch.gap] == ["RS_2024-01.zst"]


async def test_only_what_is_asked_for_is_listed(tmp_path):
    """Communities in any case, from the first second on, up to the end but not it; crossposts count where they are."""
    dump = write(tmp_path / "a.zst", LINES)
    names = sorted({post["subreddit"] for post in POSTS}, key=str.lower)[:2]
    wanted = [post["id"] for post in POSTS if post["subreddit"] in names]
    assert wanted
    both = source(dump, f"?subreddit={names[0].upper()}+{names[1].lower()}")
    assert ids(await posts_of(both)) == wanted
    span = source(dump, f"?after={FIRST_TIME + 10}&before={FIRST_TIME + 20}")
    assert ids(await posts_of(span)) == [post["id"] for post in POSTS[10:20]]


async def test_the_event_loop_goes_on_while_a_dump_is_read(tmp_path):
    """No step of the work holds it up for longer than a turn of the interpreter's lock takes."""
    dump = write(tmp_path / "a.jsonl", LINES * 4)
    lags = []

    async def watch():
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await asyncio.sleep(0.001)
            lags.append(loop.time() - began - 0.001)

    watching = asyncio.create_task(watch())
    await posts_of(source(dump))
    watching.cancel()
    assert sorted(lags)[len(lags) // 2] < 0.02


async def test_a_look_that_is_left_early_closes_its_file(tmp_path):
    """Leaving in the middle does no harm, and the next look starts again."""
    dump = write(tmp_path / "a.zst", LINES)
    for _ in range(2):
        found = source(dump).list_posts("")
        assert ids((await anext(found)).posts)[0] == POSTS[0]["id"]
        await found.aclose()


async def test_files_that_cannot_be_read_fail(tmp_path):
    """A file that is gone since."""
    dump = write(tmp_path / "a.jsonl", LINES)
    gone = source(dump)
    dump.unlink()
    with pytest.raises(SourceFailed, match="No such file"):
        await posts_of(gone)


def test_one_place_has_one_name(tmp_path):
    """Whatever way it is written; what it is called parses as itself."""
    (tmp_path / "a b?.zst").touch()
    registry = SourceRegistry(source_tools())
    name = f"pushshift-dump:{tmp_path}/x/../a b%3F.zst"
    uri = registry.parse(f"{name}?subreddit=bb+AA+aa&after=2024-01-01T00:00&before=1706745600").uri
    assert uri.endswith("a b%3F.zst?subreddit=aa%2Bbb&after=2024-01-01&before=2024-02-01")
    assert registry.parse(uri).uri == uri
    assert registry.parse(f"PUSHSHIFT-DUMP:{tmp_path}").uri == f"pushshift-dump:{tmp_path}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no path"),
        ("gone.zst", "no such file"),
        ("notes.txt", "ends in one of .zst, .jsonl, .ndjson, .gz"),
        ("RC_2024-01.zst", "comments"),
        ("a.zst?community=pics", "subreddit, after, before"),
        ("a.zst?subreddit=a b", "subreddit"),
        ("a.zst?after=yesterday", "after: 'yesterday' is no time: write 2024-01-31"),
        ("a.zst?after=2024", "'2024' is no time"),
        ("a.zst?after=2024-13-01", "'2024-13-01' is no time"),
        ("a.zst?after=0001-01-01", "between"),
        ("a.zst?after=2024-02-01&before=2024-01-01", "after is later than before"),
    ],
)
def test_what_names_no_dump_says_why(tmp_path, text, words):
    """One sentence, at the time when the source is added."""
    for name in ("a.zst", "notes.txt", "RC_2024-01.zst"):
        (tmp_path / name).touch()
    with pytest.raises(BadSource, match=words):
        source(f"{tmp_path}{os.sep}{text}" if text else "")


def test_files_of_this_machine_may_be_forbidden(tmp_path):
    """As for every source that reads files."""
    tools: SourceTools = source_tools(local=LocalAccess(is_allowed=False))
    with pytest.raises(BadSource, match="does not read files"):
        PUSHSHIFT_DUMP.parse("x", str(tmp_path), tools)


def _cuts(count):
    """Where a dump can be cut into so many files of whole lines."""
    ends = [LINES.index(b"\n", len(LINES) * part // count) + 1 for part in range(1, count)]
    return [0, *ends, len(LINES)]
