"""PutThumbnails and CheckPrecision over the wire."""

from __future__ import annotations

import asyncio
import json
import shutil

import grpc
import numpy as np
import pytest

from lodestone.image.v1 import embedding_pb2, verdict_pb2
from lodestone.novelty.v1 import novelty_service_pb2 as pb
from lodestone.novelty.v1.novelty_service_pb2_grpc import NoveltyServiceStub
from services.novelty.__main__ import build
from services.novelty.stored.profile_store import ProfileStore
from tests.contract.novelty.calls import fit, liked, message, messages, score_request
from tests.contract.refusal import refusal
from tests.fakes.serving import serving
from tests.novelty.tastes import OTHER_ENCODER_ID, taste, unit_rows
from tests.novelty.thumbnail_samples import picture

Code = grpc.StatusCode
FP16, BF16 = embedding_pb2.PRECISION_FP16, embedding_pb2.PRECISION_BF16
ROWS = unit_rows(40)
POSITIONS = range(0, 40, 4)
SOON_S = 10


@pytest.fixture
async def stub(stub):
    """Of a server that has `landscapes@1`."""
    await fit(stub)
    return stub


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "artifacts" / "profiles" / "landscapes" / "1"


def thumbnails(positions=POSITIONS, **changes):
    """As small as can be: the embedding is that of the liked image itself."""
    return [
        pb.Thumbnail(
            position=position,
            jpeg=picture(seed=abs(position)),
            embedding=message(ROWS[position % 40], **changes),
        )
        for position in positions
    ]


def put(stub, some, profile="landscapes@1"):
    return stub.PutThumbnails(pb.PutThumbnailsRequest(profile=profile, thumbnails=some))


def turned(amount, *, positions=POSITIONS, precision=BF16):
    """The thumbnails' embeddings in another precision, each turned by about so much."""
    rows = ROWS[list(positions)].astype(np.float64)
    rows[:, 1:] += amount * np.where(np.arange(15) % 2, 1.0, -1.0) / 15**0.5
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return messages(rows, precision=precision)


def check_request(embeddings, profile="landscapes@1"):
    return pb.CheckPrecisionRequest(profile=profile, embeddings=embeddings)


async def check(stub, embeddings, profile="landscapes@1"):
    return (await stub.CheckPrecision(check_request(embeddings, profile))).precision_check


async def shown(stub, profile="landscapes"):
    return (await stub.GetProfile(pb.GetProfileRequest(profile=profile))).profile


async def with_thumbnail(stub, profile="landscapes"):
    request = pb.ListLikedImagesRequest(
        profile=profile, selection=pb.LIKED_SELECTION_WITH_THUMBNAIL
    )
    return [answer.image async for answer in stub.ListLikedImages(request)]


async def test_thumbnails_are_kept(stub):
    """They are counted, and listed with the images that they show."""
    assert (await shown(stub)).thumbnail_count == 0
    assert await with_thumbnail(stub) == []
    assert (await put(stub, thumbnails())).thumbnail_count == 10
    assert (await shown(stub)).thumbnail_count == 10
    listed = (await stub.ListProfiles(pb.ListProfilesRequest())).profiles[0]
    assert listed.thumbnail_count == 10
    images = await with_thumbnail(stub)
    assert [image.position for image in images] == list(POSITIONS)
    assert [image.thumbnail for image in images] == [picture(seed=at) for at in POSITIONS]
    assert images[0].HasField("held_out_log_likelihood")


async def test_thumbnails_are_given_once(stub):
    """A second request changes nothing, not even after a restart."""
    await put(stub, thumbnails())
    assert (await put(stub, thumbnails([1]))).thumbnail_count == 10
    assert [image.position for image in await with_thumbnail(stub)] == list(POSITIONS)


def odd(jpeg=None, values=ROWS[1], **changes):
    """A thumbnail of image 1 that may not be what it should be."""
    embedding = message(values, **changes)
    return pb.Thumbnail(position=1, jpeg=jpeg or picture(), embedding=embedding)


@pytest.mark.parametrize(
    ("added", "problem"),
    [
        (thumbnails(range(1, 56)), "65 thumbnails; a request has 1 to 64"),
        (thumbnails([12]), "thumbnails[10]: position 12 comes twice"),
        (thumbnails([40]), "thumbnails[10]: there is no liked image 40: they are 0 to 39"),
        (thumbnails([-1]), "thumbnails[10]: there is no liked image -1"),
        ([odd(b"GIF89a")], "thumbnails[10]: it is no JPEG"),
        ([odd(picture(600, 10))], "thumbnails[10]: 600x10 pixels, over 512 a side"),
        ([odd(picture(200, 200, noise=9.0)[:-500])], "thumbnails[10]: it does not decode"),
        ([odd(values=2 * ROWS[1])], "thumbnails[10]: the L2 norm of its 16 values is 2, not 1"),
        ([odd(values=unit_rows(1, 8)[0])], "thumbnails[10]: it has 8 values"),
        ([odd(precision=BF16)], "thumbnails[10]: its embedding is in BF16"),
        ([odd(precision=99)], "thumbnails[10]: its precision, 99, is not known here"),
    ],
)
async def test_thumbnails_that_are_refused(stub, added, problem):
    """The message says which one, and nothing is kept of the good ones beside it."""
    code, details = await refusal(put(stub, thumbnails() + added))
    assert code == Code.INVALID_ARGUMENT
    assert details.startswith(problem)
    assert (await shown(stub)).thumbnail_count == 0


async def test_requests_that_are_refused(stub, settings):
    """None at all, no certain version, no such version, another encoder, a profile of an older format."""
    code, details = await refusal(put(stub, []))
    assert (code, details) == (Code.INVALID_ARGUMENT, "0 thumbnails; a request has 1 to 64")
    code, details = await refusal(put(stub, thumbnails(), "landscapes"))
    assert (code, details[:40]) == (
        Code.INVALID_ARGUMENT,
        "'landscapes' is no certain version: writ",
    )
    code, _ = await refusal(put(stub, thumbnails(), "landscapes@2"))
    assert code == Code.NOT_FOUND
    code, details = await refusal(put(stub, thumbnails([1], encoder_id=OTHER_ENCODER_ID)))
    assert (code, OTHER_ENCODER_ID in details) == (Code.FAILED_PRECONDITION, True)
    store = ProfileStore(settings.data / "artifacts" / "profiles", libraries={})
    store.save(taste(), name="old", request_id="old")
    code, details = await refusal(put(stub, thumbnails(), "old@1"))
    assert (code, "fit it again" in details) == (Code.FAILED_PRECONDITION, True)


async def test_another_precision_is_scored_once_no_verdict_moved(stub):
    """Until then it is not, and the error says what is missing; then it is, in every call."""
    request = score_request(messages(ROWS[:5], precision=BF16))
    code, details = await refusal(stub.ScoreEmbeddings(request))
    assert code == Code.FAILED_PRECONDITION
    assert "landscapes@1 was fitted in FP32" in details
    assert "0 thumbnails are too few to see that, 8 are needed" in details
    await put(stub, thumbnails())
    code, details = await refusal(stub.ScoreEmbeddings(request))
    assert code == Code.FAILED_PRECONDITION
    assert "nobody has looked yet; embed its 10 thumbnails in BF16" in details
    found = await check(stub, turned(0.001))
    assert found.admitted
    assert (found.precision, found.image_count, found.moved_count) == (BF16, 10, 0)
    assert 0.0 < found.median_shift_nats <= found.max_shift_nats
    assert list((await shown(stub)).precision_checks) == [found]
    in_bf16 = await stub.ScoreEmbeddings(request)
    in_fp32 = await stub.ScoreEmbeddings(score_request(messages(ROWS[:5])))
    assert in_bf16 == in_fp32
    one = pb.StreamScoreEmbeddingsRequest(
        profile="landscapes", embedding=message(ROWS[0], precision=BF16)
    )
    answers = [answer async for answer in stub.StreamScoreEmbeddings(iter([one]))]
    assert answers[0].result == in_bf16.results[0]
    code, details = await refusal(
        stub.ScoreEmbeddings(score_request(messages(ROWS[:1], precision=FP16)))
    )
    assert (code, "nobody has looked yet" in details) == (Code.FAILED_PRECONDITION, True)


async def test_another_precision_that_moves_verdicts_is_refused(stub):
    """With the measured shift and the cure; the profile's own precision is scored as ever."""
    await put(stub, thumbnails())
    found = await check(stub, turned(0.35))
    assert found.moved_count > 0
    assert not found.admitted
    code, details = await refusal(
        stub.ScoreEmbeddings(score_request(messages(ROWS[:1], precision=BF16)))
    )
    assert code == Code.FAILED_PRECONDITION
    assert f"of 10 thumbnails {found.moved_count} had another verdict" in details
    assert f"{found.max_shift_nats:.3g} nats (median {found.median_shift_nats:.3g})" in details
    assert "`lodestone profile refit NAME --photos DIR` is the cure" in details
    await stub.ScoreEmbeddings(score_request(messages(ROWS)))


async def test_a_finding_is_found_once(stub):
    """The same call returns it, whatever embeddings it brings."""
    await put(stub, thumbnails())
    found = await check(stub, turned(0.001))
    assert await check(stub, turned(0.35)) == found
    other = await check(stub, turned(0.35, precision=FP16))
    assert not other.admitted
    assert list((await shown(stub)).precision_checks) == [other, found]


async def test_checks_that_are_refused(stub):
    """Nothing to compare with, nothing to compare, or not the thumbnails."""
    code, details = await refusal(stub.CheckPrecision(check_request(turned(0.0))))
    assert (code, "keeps 0 thumbnails" in details) == (Code.FAILED_PRECONDITION, True)
    await put(stub, thumbnails())
    good = turned(0.0)
    for embeddings, problem in (
        ([], "there are no embeddings"),
        (good[:9], "9 embeddings, and profile landscapes@1 has 10 thumbnails"),
        ([*good[:9], message(np.eye(16)[7], precision=BF16)], "embeddings[9]: its cosine"),
        ([*good[:9], message(2 * ROWS[36], precision=BF16)], "embeddings[9]: the L2 norm"),
        ([*good[:9], message(ROWS[36], precision=FP16)], "embeddings[9]: its precision is FP16"),
        (messages(ROWS[list(POSITIONS)]), "profile landscapes@1 was fitted in FP32"),
    ):
        code, details = await refusal(stub.CheckPrecision(check_request(embeddings)))
        assert (code, details[: len(problem)]) == (Code.INVALID_ARGUMENT, problem)
    odd_encoder = [*good[:9], message(ROWS[36], precision=BF16, encoder_id=OTHER_ENCODER_ID)]
    code, _ = await refusal(stub.CheckPrecision(check_request(odd_encoder)))
    assert code == Code.FAILED_PRECONDITION
    for profile, expected in (
        ("landscapes", Code.INVALID_ARGUMENT),
        ("landscapes@2", Code.NOT_FOUND),
    ):
        code, _ = await refusal(stub.CheckPrecision(check_request(good, profile)))
        assert code == expected
    assert (await shown(stub)).precision_checks == []


async def test_few_thumbnails_prove_nothing(stub):
    """Seven are kept and shown, and admit no other precision."""
    await put(stub, thumbnails(range(7)))
    code, details = await refusal(
        stub.CheckPrecision(check_request(turned(0.0, positions=range(7))))
    )
    assert code == Code.FAILED_PRECONDITION
    assert "keeps 7 thumbnails, and 8 at least are needed" in details


async def test_damaged_thumbnails_leave_the_own_precision_alone(stub, folder):
    """They are named where they are needed; a finding that was made stands."""
    await put(stub, thumbnails())
    (folder / "thumbnails" / "8.jpg").write_bytes(b"")
    code, details = await refusal(stub.CheckPrecision(check_request(turned(0.001))))
    assert code == Code.FAILED_PRECONDITION
    assert "landscapes@1 is damaged: thumbnails/8.jpg has another SHA-256" in details
    code, details = await refusal(with_thumbnail(stub))
    assert (code, "thumbnails/8.jpg" in details) == (Code.FAILED_PRECONDITION, True)
    await stub.ScoreEmbeddings(score_request(messages(ROWS)))
    (folder / "thumbnails" / "8.jpg").write_bytes(picture(seed=8))
    assert (await check(stub, turned(0.001))).admitted


async def test_damage_of_all_thumbnails_is_told(stub, folder, settings):
    """The profile has none then, and says why."""
    await put(stub, thumbnails())
    assert (await shown(stub)).thumbnail_damage == ""
    (folder / "thumbnails" / "thumbnails.json").write_text("{")
    async with serving(await build(settings), settings) as channel:
        found = await shown(NoveltyServiceStub(channel))
    assert found.thumbnail_count == 0
    assert found.thumbnail_damage.startswith("thumbnails/thumbnails.json ")


async def test_a_damaged_finding_is_found_anew(stub, folder, settings):
    """It admits nothing until then."""
    await put(stub, thumbnails())
    found = await check(stub, turned(0.001))
    (folder / "precision-bf16.json").write_text('{"admitted": true}')
    async with serving(await build(settings), settings) as channel:
        other = NoveltyServiceStub(channel)
        request = score_request(messages(ROWS[:1], precision=BF16))
        code, details = await refusal(other.ScoreEmbeddings(request))
        assert code == Code.FAILED_PRECONDITION
        assert "precision-bf16.json is wrong in field" in details
        await other.ScoreEmbeddings(score_request(messages(ROWS)))
        assert await check(other, turned(0.001)) == found
        await other.ScoreEmbeddings(request)


async def test_another_replica_learns_of_a_finding(stub, settings):
    """Within some two seconds, without a restart."""
    async with serving(await build(settings), settings) as channel:
        other = NoveltyServiceStub(channel)
        assert (await shown(other)).thumbnail_count == 0
        await put(stub, thumbnails())
        await check(stub, turned(0.001))
        async with asyncio.timeout(SOON_S):
            while not (await shown(other)).precision_checks:
                await asyncio.sleep(0.05)
        await other.ScoreEmbeddings(score_request(messages(ROWS, precision=BF16)))


async def test_a_refit_keeps_the_thumbnails_of_what_stays(stub):
    """Those of added images join them; what was found before counts no more."""
    await put(stub, thumbnails())
    await check(stub, turned(0.001))
    gone = pb.FitProfileRequest(removed=pb.EmbeddingBatch(embeddings=messages(ROWS[4:5])))
    added = liked(messages(unit_rows(2, seed=5)))
    again = await fit(stub, added, gone, request_id="again", base_profile="landscapes@1")
    assert (again.version, again.thumbnail_count) == (2, 9)
    assert again.precision_checks == []
    left = [position for position in POSITIONS if position != 4]
    images = await with_thumbnail(stub, "landscapes@2")
    assert [image.position for image in images] == [at - (at > 4) for at in left]
    assert [image.thumbnail for image in images] == [picture(seed=at) for at in left]
    assert (await check(stub, turned(0.001, positions=left), "landscapes@2")).image_count == 9
    new = pb.Thumbnail(
        position=40, jpeg=picture(seed=99), embedding=message(unit_rows(2, seed=5)[1])
    )
    assert (await put(stub, [new], "landscapes@2")).thumbnail_count == 10
    assert (await shown(stub, "landscapes@2")).precision_checks == []
    assert (await with_thumbnail(stub, "landscapes@2"))[-1].thumbnail == picture(seed=99)


async def test_another_threshold_has_the_thumbnails_and_no_findings(stub):
    """Its verdicts are others."""
    await put(stub, thumbnails())
    await check(stub, turned(0.001))
    request = pb.UpdateProfileRequest(profile="landscapes", keep_ratio=0.5)
    updated = (await stub.UpdateProfile(request)).profile
    assert (updated.version, updated.thumbnail_count) == (2, 10)
    assert updated.precision_checks == []
    assert list((await shown(stub, "landscapes@1")).precision_checks) != []


async def test_verdicts_in_an_admitted_precision_are_those_of_the_profile(stub):
    """The threshold is the same one."""
    await put(stub, thumbnails())
    await check(stub, turned(0.001))
    rows = np.concatenate([ROWS[:3], unit_rows(3, centre=2)])
    response = await stub.ScoreEmbeddings(score_request(messages(rows, precision=BF16)))
    verdicts = [result.value.verdict for result in response.results]
    accepted, off_profile = verdict_pb2.VERDICT_ACCEPTED, verdict_pb2.VERDICT_OFF_PROFILE
    assert verdicts == [accepted] * 3 + [off_profile] * 3


async def test_thumbnails_of_a_larger_version(stub, folder):
    """Copied in as they are, they are damage, not an error of the service; what needs none of them goes on."""
    await fit(stub, liked(messages(unit_rows(80))), name="other", request_id="another")
    await put(stub, thumbnails([3, 70]), profile="other@1")
    shutil.copytree(folder.parents[1] / "other" / "1" / "thumbnails", folder / "thumbnails")
    for call in (
        put(stub, thumbnails()),
        with_thumbnail(stub),
        stub.CheckPrecision(check_request(turned(0.001))),
    ):
        code, details = await refusal(call)
        assert code is Code.FAILED_PRECONDITION
        assert (
            "landscapes@1 is damaged: thumbnails.json is of image 70, and there are 40" in details
        )
    await stub.ScoreEmbeddings(score_request(messages(ROWS)))


@pytest.mark.parametrize("field", ["liked_count", "background_count", "duplicate_count"])
async def test_more_images_than_memory_holds(stub, folder, field):
    """A count that was tampered with is damage of the files, and no memory is set aside for it."""
    facts = json.loads((folder / "profile.json").read_text())
    (folder / "profile.json").write_text(json.dumps(facts | {field: 2**31 - 1}))
    request = pb.ExplainEmbeddingsRequest(profile="landscapes@1", embeddings=messages(ROWS[:1]))
    for call in (
        put(stub, thumbnails()),
        with_thumbnail(stub, "landscapes@1"),
        stub.ExplainEmbeddings(request),
    ):
        code, details = await refusal(call)
        assert code is Code.FAILED_PRECONDITION
        assert "landscapes@1 is damaged: " in details
