"""Exports and imports between real crawlers: what was mined arrives as it was, and nothing hostile gets further."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from pathlib import Path

import grpc
import pytest
import structlog
from pydantic import SecretStr

from lodestone.crawler.v1 import crawler_service_pb2 as pb
from services.crawler.verifying.__main__ import main as verify
from tests.contract.crawler.mined import mine, pictures
from tests.contract.crawler.moving import crawler_at, rows_of, run
from tests.contract.refusal import refusal
from tests.fakes.colour_services import ColourServices

FORMATS = ("folder", "webdataset", "parquet")
COUNT = 7


@pytest.fixture(scope="module")
def models():
    with ColourServices() as fakes:
        yield fakes


@pytest.fixture(scope="module")
def mined(models, tmp_path_factory):
    """A data folder with seven images of every kind, one readable name removed by a person. Nobody changes it."""
    data = mine(models, tmp_path_factory.mktemp("mined"))
    sorted((data / "kept" / "colours").iterdir())[2].unlink()
    return data


@pytest.fixture(scope="module")
def exports(mined, tmp_path_factory):
    """Exports of it in each format."""
    folder = tmp_path_factory.mktemp("exports")

    async def export():
        async with crawler_at(mined) as (address, _):
            for word in FORMATS:
                objects, _ = await run(address, "export", folder / word, "--format", word)
                assert objects[-1]["summary"]["image_count"] == COUNT

    asyncio.run(export())
    return folder


@pytest.fixture
def check(monkeypatch, models, capsys):
    """Verifies a data folder deeply: every image is decoded and embedded again."""

    def run_check(data):
        monkeypatch.setenv("LODESTONE_EMBEDDER", models.address)
        try:
            status = verify([f"--data={data}", "--json", "--grace=0", "--deep"])
        finally:
            structlog.reset_defaults()
        assert status == 0, capsys.readouterr()
        return json.loads(capsys.readouterr().out.splitlines()[-1])["summary"]

    return run_check


async def records(stub, **choice):
    """What is exported, without numbers of the catalogue."""
    events = [one async for one in stub.ExportImages(pb.ExportImagesRequest(**choice))]
    assert [one.WhichOneof("event") for one in events] == [
        *("horizon", *["image"] * (len(events) - 2), "end")
    ]
    return [one.image for one in events[1:-1]]


def summary_of(objects):
    [summary] = [one["summary"] for one in objects if "summary" in one]
    return {name.removesuffix("_count"): count for name, count in summary.items() if count}


@pytest.mark.parametrize("word", FORMATS)
async def test_what_was_mined_arrives_as_it_was(word, mined, exports, tmp_path, check):
    """Rows, embeddings and times bit by bit, bytes, readable names; a second import changes nothing."""
    data = tmp_path / "data"
    async with crawler_at(data) as (address, stub):
        objects, _ = await run(address, "import", exports / word)
        assert summary_of(objects) == {"image": COUNT, "kept": COUNT}
        assert all(one["action"] == "KEPT" for one in objects[:-1])
        again, _ = await run(address, "import", exports / word)
        assert summary_of(again) == {"image": COUNT, "known": COUNT}
        [crawl] = (await stub.ListCrawls(pb.ListCrawlsRequest())).crawls
        assert (list(crawl.sources), crawl.progress.settled_count) == ([], COUNT)
    found, expected = rows_of(data), rows_of(mined)
    assert found == expected
    names = [
        sorted(path.name for path in (one / "kept/colours").iterdir()) for one in (data, mined)
    ]
    assert names[0] == names[1]
    assert len(names[0]) == COUNT - 1
    summary = await asyncio.to_thread(check, data)
    assert (summary["image_count"], summary["removed_name_count"]) == (COUNT, 1)
    assert summary["deep"]["embedded_count"] == COUNT


async def test_postgresql_and_s3_take_it_and_give_it_again(
    mined, exports, tmp_path, postgres, s3_server
):
    """Exported from there, every image is what it was."""
    s3_server.make_bucket("moved")
    with postgres.database() as url:
        changes = {
            "catalogue": SecretStr(postgres.address(url.database)),
            "store": "s3://moved/here",
            "store_endpoint": s3_server.endpoint,
            "store_region": "us-east-1",
            "store_access_key_id": SecretStr(s3_server.owner.access_key_id),
            "store_secret_access_key": SecretStr(s3_server.owner.secret_access_key),
        }
        async with crawler_at(tmp_path / "data", **changes) as (address, stub):
            objects, _ = await run(address, "import", exports / "parquet")
            assert summary_of(objects) == {"image": COUNT, "kept": COUNT}
            again, _ = await run(address, "import", exports / "webdataset")
            assert summary_of(again) == {"image": COUNT, "known": COUNT}
            found = await records(stub)
            back, _ = await run(address, "export", tmp_path / "back", "--format", "parquet")
            assert summary_of(back)["image"] == COUNT
    async with crawler_at(mined) as (_, stub):
        for one, other in zip(found, await records(stub), strict=True):
            one.sequence = other.sequence
            assert one == other
    sums = [
        json.loads((folder / "manifest.json").read_text())["shards"]
        for folder in (tmp_path / "back", exports / "parquet")
    ]
    assert [one["image_count"] for one in sums[0]] == [one["image_count"] for one in sums[1]]


async def test_an_export_adds_what_is_new_and_leaves_out_what_was_purged(mined, exports, tmp_path):
    """Nothing new: not a byte changes. What comes later is a shard more, without what was purged before its turn."""
    async with crawler_at(mined) as (_, stub):
        images = await records(stub)
    data, folder = tmp_path / "data", tmp_path / "export"
    async with crawler_at(data) as (address, stub):
        await import_all(stub, images[:3])
        words = ("export", folder, "--format", "webdataset", "--shard-images", "2")
        first, _ = await run(address, *words)
        assert summary_of(first) == {"image": 3, "exported": 3, "shard": 2}
        before = {path: path.read_bytes() for path in folder.iterdir()}
        again, _ = await run(address, *words)
        assert summary_of(again) == {"exported": 3, "shard": 2}
        assert {path: path.read_bytes() for path in folder.iterdir()} == before
        await import_all(stub, images[3:6])
        for place in (0, 4):
            await purge(stub, images[place].record.digest)
        later, _ = await run(address, *words)
        assert summary_of(later) == {"image": 2, "exported": 5, "shard": 3}
        assert {
            path: path.read_bytes() for path in before if path.name != "manifest.json"
        }.items() <= before.items()
        # What was purged stays out here, and comes in elsewhere: exports are not followed.
        back, _ = await run(address, "import", folder)
        assert summary_of(back) == {"image": 5, "known": 4, "purged": 1}


async def import_all(stub, images):
    requests = [
        pb.ImportImagesRequest(
            id=str(place), record=one.record, embedding=one.embedding, encoded=one.encoded
        )
        for place, one in enumerate(images)
    ]
    answers = [one async for one in stub.ImportImages(iter(requests))]
    assert [one.id for one in answers] == [one.id for one in requests]
    return answers


async def purge(stub, digest):
    assert [one async for one in stub.PurgeImages(pb.PurgeImagesRequest(digests=[digest]))]


def catalogue_at(request, place):
    """The setting for a place on either database."""
    if isinstance(place, Path):
        return {}
    return {"catalogue": SecretStr(request.getfixturevalue("postgres").address(place.database))}


async def test_selections(mined, tmp_path, request, place):
    """By profile and version, source and time; a keep that came later brings its image again, and nothing else."""
    async with crawler_at(mined) as (_, stub):
        images = await records(stub)
    images[3].record.compliance.user_agent = "lodestone"
    images[3].record.compliance.robots_status = 404
    images[3].record.compliance.request_time.FromNanoseconds(1_764_000_000_500_000_000)
    images[3].record.compliance.robots_time.FromNanoseconds(1_764_000_000_250_000_000)
    images[3].record.listing.post_time.FromNanoseconds(1_500_000_000_125_000_000)
    images[3].record.listing.parents.append("reddit:r/pics")
    async with crawler_at(tmp_path / "data", **catalogue_at(request, place)) as (_, stub):
        await import_all(stub, images[:4])
        assert (await records(stub))[3].record == images[3].record
        reach = await horizon(stub)
        other = keeping(images[1], "shapes", 7)
        assert [one.value.action for one in await import_all(stub, [other])] == [
            pb.IMPORT_ACTION_KEPT
        ]

        async def chosen(**choice):
            found = await records(stub, **choice)
            return [[one.record.digest for one in images].index(one.record.digest) for one in found]

        assert await chosen() == [0, 1, 2, 3]
        assert await chosen(profile="shapes") == await chosen(profile="shapes@7") == [1]
        assert await chosen(profile="shapes@6") == []
        assert await chosen(profile="colours@1") == [0, 1, 2, 3]
        assert await chosen(source=images[0].record.listing.source) == [0, 1, 2, 3]
        site = images[0].record.listing.source.removeprefix("folder:")
        assert await chosen(source=site) == [0, 1, 2, 3]
        times = [one.record.keeps[0].keep_time for one in images]
        assert await chosen(profile="colours", since_time=times[1], until_time=times[3]) == [1, 2]
        assert await chosen(earlier=reach) == [1]
        missed = [images[3].record.digest, "0" * 64]
        assert await chosen(earlier=reach, left_out_digests=missed) == [1, 3]
        assert await chosen(earlier=reach, left_out_digests=missed, profile="shapes") == [1]
        [both] = await records(stub, earlier=reach)
        assert {keep.profile_name for keep in both.record.keeps} == {"colours", "shapes"}
        [alone] = await records(stub, profile="shapes")
        assert {one.profile_name for one in alone.record.judgements} == {"shapes"}
        assert await chosen(after_sequence=2) == [2, 3]
        assert not any(one.encoded for one in await records(stub, without_encoded=True))
        for choice, code in (
            ({"profile": "nosuch"}, grpc.StatusCode.UNAVAILABLE),
            ({"profile": "../x"}, grpc.StatusCode.INVALID_ARGUMENT),
            ({"after_sequence": -1}, grpc.StatusCode.INVALID_ARGUMENT),
            ({"source": "page:https://h.example/"}, grpc.StatusCode.NOT_FOUND),
            ({"source": "nosuch"}, grpc.StatusCode.INVALID_ARGUMENT),
            ({"left_out_digests": ["../x"]}, grpc.StatusCode.INVALID_ARGUMENT),
            ({"left_out_digests": ["0" * 64] * 100_001}, grpc.StatusCode.INVALID_ARGUMENT),
            (
                {"earlier": pb.ExportHorizon(sequence=3, digest="0" * 64)},
                grpc.StatusCode.FAILED_PRECONDITION,
            ),
            (
                {"earlier": pb.ExportHorizon(sequence=99, digest="0" * 64)},
                grpc.StatusCode.FAILED_PRECONDITION,
            ),
        ):
            assert (await refusal(records(stub, **choice)))[0] is code


async def horizon(stub):
    events = [one async for one in stub.ExportImages(pb.ExportImagesRequest())]
    return events[0].horizon


def keeping(image, profile, version):
    """An image that another profile keeps too, from now on."""
    changed = pb.ExportedImage()
    changed.CopyFrom(image)
    judgement = changed.record.judgements.add()
    judgement.CopyFrom(changed.record.judgements[0])
    judgement.profile_name, judgement.profile_version = profile, version
    keep = changed.record.keeps.add()
    keep.CopyFrom(changed.record.keeps[0])
    keep.profile_name, keep.profile_version = profile, version
    keep.keep_time.GetCurrentTime()
    return changed


def changed(image, **fields):
    """A copy with some parts changed: `encoded`, or a function of the record or embedding."""
    copy = pb.ExportedImage()
    copy.CopyFrom(image)
    for name, change in fields.items():
        if name == "encoded":
            copy.encoded = change
        else:
            change(getattr(copy, name))
    return copy


def bomb():
    """A PNG of 30,000 × 30,000 pixels in a few bytes."""
    import struct
    import zlib

    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(9)))


def of_bytes(image, encoded):
    digest = hashlib.sha256(encoded).hexdigest()
    return changed(image, encoded=encoded, record=lambda record: setattr(record, "digest", digest))


def hostile(image):
    """What somebody may make of an image, and what the rejection says."""

    def keep(**fields):
        return lambda record: [setattr(record.keeps[0], *one) for one in fields.items()]

    def embedding(**fields):
        return lambda message: [setattr(message, *one) for one in fields.items()]

    def value(number):
        return lambda message: message.values.__setitem__(0, number)

    return [
        (changed(image, encoded=image.encoded[:-1]), "have the digest"),
        (changed(image, encoded=b""), "have the digest"),
        (of_bytes(image, b"no picture"), "by its first bytes|no image|not"),
        (of_bytes(image, image.encoded[:2000]), ""),
        (of_bytes(image, bomb()), "pixels"),
        (changed(image, record=lambda one: setattr(one, "digest", "../../x")), "digest"),
        (changed(image, record=lambda one: one.ClearField("listing")), "no listing"),
        (changed(image, record=lambda one: one.ClearField("keeps")), "no listing, or no profile"),
        (changed(image, record=lambda one: one.ClearField("judgements")), "did not accept"),
        (changed(image, record=keep(profile_name="../../kept")), "no profile"),
        (changed(image, record=keep(profile_version=-1)), "no profile"),
        (changed(image, record=lambda one: one.keeps.add().CopyFrom(one.keeps[0])), "twice"),
        (
            changed(image, record=lambda one: setattr(one.listing, "url", "gopher://h/a")),
            "no address",
        ),
        (
            changed(image, record=lambda one: setattr(one.listing, "url", "http://" + "h" * 9000)),
            "no address",
        ),
        (
            changed(
                image, record=lambda one: setattr(one.judgements[0], "percentile", float("nan"))
            ),
            "finite",
        ),
        (changed(image, record=lambda one: setattr(one.judgements[0], "verdict", 77)), "verdict"),
        (changed(image, record=lambda one: setattr(one.accept_time, "seconds", 2**60)), "time"),
        (changed(image, record=lambda one: setattr(one, "perceptual_hash", "zz")), "hash"),
        (changed(image, record=lambda one: one.ClearField("detection")), "detection"),
        (changed(image, embedding=value(float("nan"))), "L2 norm"),
        (changed(image, embedding=value(1e30)), "L2 norm"),
        (changed(image, embedding=embedding(encoder_id="e" * 10_000)), "encoder"),
        (changed(image, embedding=embedding(precision=99)), "precision"),
    ]


async def test_whatever_is_wrong_costs_one_rejection(mined, tmp_path, check):
    """Of each image made up or damaged nothing stays; those beside it are kept; the folder is well."""
    import re

    async with crawler_at(mined) as (_, stub):
        images = await records(stub)
    cases = hostile(images[2])
    data = tmp_path / "data"
    async with crawler_at(data, max_decoded_pixels=50_000_000) as (_, stub):
        sent = [images[0], *(case for case, _ in cases), images[1]]
        first, *answers, last = await import_all(stub, sent)
        for answer, (_, reason) in zip(answers, cases, strict=True):
            assert answer.HasField("rejection"), (reason, answer)
            assert re.search(reason, answer.rejection.reason), (reason, answer)
        assert {first.value.action, last.value.action} == {pb.IMPORT_ACTION_KEPT}
        [kept] = await import_all(stub, [images[2]])
        assert kept.value.action == pb.IMPORT_ACTION_KEPT
    assert (await asyncio.to_thread(check, data))["image_count"] == 3


async def test_duplicates_and_other_opinions(mined, tmp_path, check):
    """What is near an image that is kept here is not kept; what a version said here stands."""
    async with crawler_at(mined) as (_, stub):
        images = await records(stub)
    files = pictures()
    near = of_bytes(images[0], files["near-0.jpg"])
    near.record.listing.url = "https://example.org/near.jpg"
    near.record.compliance.user_agent = "somebody"
    data = tmp_path / "data"
    async with crawler_at(data) as (_, stub):
        first, second = await import_all(stub, [images[0], near])
        assert first.value.action == pb.IMPORT_ACTION_KEPT
        assert second.value.action == pb.IMPORT_ACTION_DUPLICATE
        assert "nearly the same picture as" in second.value.reason
        [again] = await import_all(stub, [near])
        assert again.value == second.value
        # Under another profile it is as near, and is not kept for it either.
        [elsewhere] = await import_all(stub, [keeping(near, "shapes", 1)])
        assert elsewhere.value.action == pb.IMPORT_ACTION_DUPLICATE
    assert (await asyncio.to_thread(check, data))["image_count"] == 1


async def test_a_damaged_export(exports, tmp_path):
    """Salvaged, all that verifies is taken; the exit status tells that not all did."""
    shutil.copytree(exports / "webdataset", tmp_path / "export")
    [shard] = (tmp_path / "export").glob("*.tar")
    content = bytearray(shard.read_bytes())
    content[1000] ^= 1
    shard.write_bytes(content)
    async with crawler_at(tmp_path / "data") as (address, _):
        objects, _ = await run(address, "import", tmp_path / "export", "--salvage", status=1)
    assert summary_of(objects) == {
        "image": COUNT,
        "kept": COUNT - 1,
        "rejected": 1,
        "rejected_part": 1,
    }
    assert "have the digest" in objects[0]["reason"]


async def test_bytes_that_are_gone_are_left_out(mined, tmp_path):
    """Images whose bytes are lost or changed are named each time, until they are whole again or purged."""
    data = tmp_path / "data"
    shutil.copytree(mined, data)
    first, second, *_ = sorted(path for path in data.glob("blobs/??/*") if not path.suffix)
    whole = first.read_bytes()
    first.unlink()
    content = bytearray(second.read_bytes())
    content[500] ^= 1
    second.unlink()
    second.write_bytes(content)
    out = tmp_path / "out"
    async with crawler_at(data) as (address, stub):
        objects, err = await run(address, "export", out, status=1)
        manifest = json.loads((out / "manifest.json").read_text())
        again, _ = await run(address, "export", out, status=1)
        assert summary_of(again) == {"left_out": 2, "exported": COUNT - 2, "shard": 1}
        first.write_bytes(whole)
        mended, _ = await run(address, "export", out, status=1)
        counts = {"image": 1, "left_out": 1, "exported": COUNT - 1, "shard": 2}
        assert summary_of(mended) == counts
        await purge(stub, second.name)
        purged, _ = await run(address, "export", out)
        assert summary_of(purged) == {"exported": COUNT - 1, "shard": 2}
    assert json.loads((out / "manifest.json").read_text())["left_out"] == {}
    assert summary_of(objects) == {
        "image": COUNT - 2,
        "left_out": 2,
        "exported": COUNT - 2,
        "shard": 1,
    }
    assert "its stored bytes are gone" in err
    assert "its stored bytes are damaged: its " in err
    assert "are not those of its name" in err
    assert "resume" not in err
    assert set(manifest["left_out"]) == {first.name, second.name}
