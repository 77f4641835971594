from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil

import grpc
import numpy as np
import pytest

from lodestone.image.v1 import embedding_pb2
from lodestone.novelty.v1 import novelty_service_pb2 as pb
from lodestone.novelty.v1 import profile_pb2
from lodestone.novelty.v1.novelty_service_pb2_grpc import NoveltyServiceStub
from services.novelty.__main__ import build
from tests.contract.novelty.calls import (
    background,
    fit,
    liked,
    message,
    messages,
    score_request,
)
from tests.contract.refusal import refusal
from tests.fakes.serving import serving
from tests.novelty.tastes import OTHER_ENCODER_ID, unit_rows

Code = grpc.StatusCode
ROWS = unit_rows(40)
OTHERS = unit_rows(60, seed=5)
PROBE = messages(unit_rows(20, seed=9))


@pytest.fixture
async def stub(stub):
    """Of a server that has `landscapes`: 40 labelled images, 60 of the background."""
    await fit(stub, *labelled(range(40)), background(messages(OTHERS)))
    return stub


def label(number, **changes):
    fields = {"digest": digest(number), "name": f"photo {number}.jpg"} | changes
    return profile_pb2.ImageLabel(**fields)


def digest(number):
    return hashlib.sha256(str(number).encode()).hexdigest()


def batch(role, embeddings=(), labels=()):
    return pb.FitProfileRequest(**{role: pb.EmbeddingBatch(embeddings=embeddings, labels=labels)})


def labelled(numbers, role="liked"):
    numbers = list(numbers)
    rows = messages(ROWS[[number % 40 for number in numbers]])
    return (batch(role, rows, [label(number) for number in numbers]),)


def removed(*numbers):
    return batch("removed", labels=[label(number) for number in numbers])


async def refit(stub, *parts, **changes):
    fields = {"request_id": "again", "base_profile": "landscapes"} | changes
    parts = parts or (removed(),)
    return await fit(stub, *parts, **fields)


async def liked_images(stub, profile="landscapes", selection=0):
    request = pb.ListLikedImagesRequest(profile=profile, selection=selection)
    return [answer.image async for answer in stub.ListLikedImages(request)]


async def get(stub, profile="landscapes"):
    return (await stub.GetProfile(pb.GetProfileRequest(profile=profile))).profile


async def update(stub, profile="landscapes", **threshold):
    request = pb.UpdateProfileRequest(profile=profile, **threshold)
    return (await stub.UpdateProfile(request)).profile


async def delete(stub, profile):
    answer = await stub.DeleteProfile(pb.DeleteProfileRequest(profile=profile))
    return list(answer.versions)


async def log_likelihoods(stub, profile="landscapes"):
    answer = await stub.ScoreEmbeddings(score_request(PROBE, profile))
    return [result.value.log_likelihood for result in answer.results]


def folder(settings, reference="landscapes@1"):
    name, version = reference.split("@")
    return settings.data / "artifacts" / "profiles" / name / version


async def test_liked_images_are_listed(stub):
    """All of them, in the order in which they were sent, with what they are called and how they score unseen."""
    images = await liked_images(stub)
    assert [image.position for image in images] == list(range(40))
    assert [image.label for image in images] == [label(number) for number in range(40)]
    scores = sorted(image.held_out_log_likelihood for image in images)
    assert scores == list((await get(stub)).held_out_log_likelihoods)
    assert not any(image.HasField("duplicate_of") or image.thumbnail for image in images)


async def test_listed_images_say_what_they_repeat(stub):
    """Those have no score; labels are not needed."""
    await fit(stub, liked(messages([*ROWS, ROWS[7]])), name="plain", request_id="plain")
    images = await liked_images(stub, "plain@1")
    assert (images[40].duplicate_of, images[40].HasField("held_out_log_likelihood")) == (7, False)
    assert all(image.HasField("held_out_log_likelihood") for image in images[:40])
    assert all(image.label == profile_pb2.ImageLabel() for image in images)


async def test_a_telling_selection(stub):
    """64 of many: the least and the most typical among them."""
    rows = unit_rows(200, seed=3)
    await fit(stub, liked(messages(rows)), name="many", request_id="many")
    images = await liked_images(stub, "many", pb.LIKED_SELECTION_TELLING)
    assert len(images) == 64
    positions = [image.position for image in images]
    assert positions == sorted(set(positions))
    scores = [image.held_out_log_likelihood for image in images]
    everything = (await get(stub, "many")).held_out_log_likelihoods
    assert (min(scores), max(scores)) == (everything[0], everything[-1])
    assert len(await liked_images(stub, selection=pb.LIKED_SELECTION_TELLING)) == 40


async def test_lists_that_cannot_be(stub):
    """No such profile, no such selection; none has a thumbnail."""
    code, details = await refusal(liked_images(stub, "birds"))
    assert (code, details) == (Code.NOT_FOUND, "there is no profile 'birds'")
    code, details = await refusal(liked_images(stub, selection=99))
    assert (code, details) == (Code.INVALID_ARGUMENT, "selection 99 is not known here")
    assert await liked_images(stub, selection=pb.LIKED_SELECTION_WITH_THUMBNAIL) == []


async def test_a_refit_adds_and_removes(stub):
    """What it gives is what a fit to the same images gives; the first version stays what it was."""
    first, scores = await get(stub), await log_likelihoods(stub)
    rows = unit_rows(3, seed=8)
    added = batch("liked", messages(rows), [label(100 + number) for number in range(3)])
    profile = await refit(stub, removed(3, 39), added)
    assert (profile.version, profile.base_profile, profile.liked_count) == (2, "landscapes@1", 41)
    assert profile.background_count == 60
    expected = [*range(3), *range(4, 39), 100, 101, 102]
    images = await liked_images(stub)
    assert [image.label for image in images] == [label(number) for number in expected]
    plain = (liked(messages([*ROWS[:3], *ROWS[4:39], *rows])), background(messages(OTHERS)))
    same = await fit(stub, *plain, name="plain", request_id="plain")
    assert same.threshold_nats == profile.threshold_nats
    assert same.held_out_log_likelihoods == profile.held_out_log_likelihoods
    assert await log_likelihoods(stub, "plain") == await log_likelihoods(stub, "landscapes@2")
    assert await get(stub, "landscapes@1") == first
    assert await log_likelihoods(stub, "landscapes@1") == scores


async def test_a_refit_inherits_what_was_asked_for(stub):
    """Form, count, seed and keep ratio, as far as the new request does not set them."""
    tied = profile_pb2.COVARIANCE_TIED
    asked = {"component_count": 2, "covariance": tied, "keep_ratio": 0.8, "seed": 3}
    await fit(stub, *labelled(range(40)), name="asked", request_id="asked", **asked)
    again = await refit(stub, base_profile="asked", name="asked")
    assert (again.asked_component_count, again.asked_covariance, again.seed) == (2, tied, 3)
    assert (again.component_count, again.covariance, again.keep_ratio) == (2, tied, 0.8)
    other = await refit(
        stub, base_profile="asked", name="asked", request_id="other", threshold_nats=-1, component_count=1
    )  # fmt: skip
    assert (other.component_count, other.covariance) == (1, tied)
    assert (other.keep_ratio, other.threshold_nats) == (0.0, -1.0)
    third = await refit(stub, base_profile="asked", name="asked", request_id="third")
    assert (third.base_profile, third.component_count) == ("asked@3", 1)
    assert (third.keep_ratio, third.threshold_nats) == (0.0, -1.0)


async def test_a_refit_with_another_background(stub):
    """It takes the place of the old one, and is inherited from then on."""
    sent = background(messages(unit_rows(9, seed=6)))
    assert (await refit(stub, sent)).background_count == 9
    again = await refit(stub, request_id="more")
    assert (again.version, again.background_count) == (3, 9)


async def test_a_refit_is_made_once(stub):
    """Sent again it is the same version, though what it removes is no longer in the newest one."""
    first = await refit(stub, removed(3))
    assert await refit(stub, removed(3)) == first
    one, other = await asyncio.gather(*(refit(stub, removed(4), request_id="x") for _ in range(2)))
    assert one == other
    assert one.version == 3


async def test_removal_by_embedding(stub):
    """For images without a digest: the same picture, saved again."""
    again = ROWS[5] + np.full(16, 0.01, np.float32)
    again /= np.linalg.norm(again)
    assert 0.99 < again @ ROWS[5] < 0.9999
    near = {number for number in range(40) if again @ ROWS[number] >= 0.99}
    names = [label(5, digest="")]
    await refit(stub, batch("removed", [message(again)], names))
    gone = {image.label.name for image in await liked_images(stub, "landscapes@1")} - {
        image.label.name for image in await liked_images(stub, "landscapes@2")
    }
    assert gone == {f"photo {number}.jpg" for number in near}
    assert "photo 5.jpg" in gone


FEW = [label(number) for number in range(33)]
BAD_REFITS = {
    "no base to remove from": ({"base_profile": ""}, [*labelled(range(40)), removed(1)], "no base_profile to remove"),
    "a name that is none": ({"base_profile": "../up"}, [], "'../up' names no profile"),
    "not there, with a name": (
        {}, [removed(1, 77)], "removed[1]: 'photo 77.jpg' is not among the images of landscapes@1",
    ),
    "not there, without": (
        {}, [batch("removed", labels=[label(77, name="")])], f"removed[0]: {digest(77)} is not among the images",
    ),
    "not there, by embedding": (
        {}, [batch("removed", messages(unit_rows(1, centre=3)))], "removed[0]: an image without a name is not among",
    ),
    "nothing to know it by": (
        {}, [batch("removed", labels=[label(1, digest="")])], "removed[0]: it has neither an embedding nor a digest",
    ),
    "too few left": (
        {}, [batch("removed", labels=FEW)], "needs 8 liked images at least, and 7 are left of landscapes@1",
    ),
    "another encoder": (
        {}, [liked(messages(ROWS[:1], encoder_id=OTHER_ENCODER_ID))], "cannot join the others: its encoder id is",
    ),
    "another precision": (
        {}, [liked(messages(ROWS[:1], precision=embedding_pb2.PRECISION_BF16))],
        "cannot join the others: its precision is BF16, and FP32 in profile landscapes@1",
    ),
    "another dimension": ({}, [liked(messages(unit_rows(1, 8)))], "it has 8 values, and 16 in profile landscapes@1"),
    "fewer labels than images": (
        {}, [batch("liked", messages(ROWS[:2]), [label(1)])], "2 embeddings and 1 labels: give one label each, or none",
    ),
    "labels of nothing": ({}, [batch("liked", labels=[label(1)])], "0 embeddings and 1 labels"),
    "fewer labels to remove": ({}, [batch("removed", messages(ROWS[:2]), [label(1)])], "2 embeddings and 1 labels"),
    "a digest that is none": (
        {}, [batch("liked", messages(ROWS[:1]), [label(1, digest="xyz")])], "liked[0]: its digest is 'xyz', not 64 hex",
    ),
    "a name that is too long": (
        {}, [batch("liked", messages(ROWS[:1]), [label(1, name="x" * 256)])], "liked[0]: its name has 256 characters",
    ),
    "a name with a line break": (
        {}, [batch("removed", labels=[label(1), label(2, name="a\nb")])], "removed[1]: its name has a control",
    ),
    "a label of the background": (
        {}, [batch("background", messages(ROWS[:1]), [label(1, digest="1")])], "background[0]: its digest is '1'",
    ),
    "a bad embedding to remove": ({}, [batch("removed", [message(2 * ROWS[0])])], "removed[0]: the L2 norm"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "parts", "problem"), BAD_REFITS.values(), ids=BAD_REFITS)
async def test_refits_that_are_refused(stub, changes, parts, problem):
    """Each is INVALID_ARGUMENT with one line that says what is wrong and where; no version is made."""
    code, details = await refusal(refit(stub, *parts, **changes))
    assert code is Code.INVALID_ARGUMENT
    assert problem in details
    assert "\n" not in details
    assert (await get(stub)).version == 1


async def test_a_base_that_is_not_there(stub):
    """Neither the name nor the version."""
    for base in ("birds", "landscapes@2"):
        code, details = await refusal(refit(stub, base_profile=base))
        assert (code, details) == (Code.NOT_FOUND, f"there is no profile '{base}'")


def as_of_an_older_release(settings, version, reference="landscapes@1"):
    """Its files as a release wrote them that kept no liked images."""
    path = folder(settings, reference)
    for name in ("liked.npy", "background.npy", "liked.json"):
        (path / name).unlink()
    facts = json.loads((path / "profile.json").read_text()) | {"format_version": version}
    later = [
        "liked", "base_profile", "asked_component_count", "asked_covariance", "gap_nats", "is_degenerate",
        "simplified_from",
    ]  # fmt: skip
    if version == 1:
        later += [
            "pass_ratio", "separation", "neighbour_separation", "duplicates", "duplicate_count"
        ]  # fmt: skip
    for name in later:
        del facts[name]
    (path / "profile.json").write_text(json.dumps(facts))


@pytest.mark.parametrize("version", [1, 2])
async def test_profiles_of_older_releases(stub, settings, version):
    """They score as ever and take another threshold; what needs their liked images says to fit them again."""
    before = await log_likelihoods(stub)
    as_of_an_older_release(settings, version)
    said = "profile landscapes@1 was fitted before profiles kept their liked images: fit it again"
    async with serving(await build(settings), settings) as channel:
        other = NoveltyServiceStub(channel)
        assert await log_likelihoods(other) == before
        for call in (refit(other), liked_images(other)):
            assert await refusal(call) == (Code.FAILED_PRECONDITION, said)
        updated = await update(other, threshold_nats=-3.0)
        assert (updated.version, updated.threshold_nats) == (2, -3.0)
        code, details = await refusal(liked_images(other))
        assert (code, "landscapes@2 was fitted before" in details) == (
            Code.FAILED_PRECONDITION,
            True,
        )


@pytest.mark.parametrize("name", ["liked.npy", "background.npy", "liked.json"])
@pytest.mark.parametrize("damage", ["missing", "changed", "a link"])
async def test_damaged_liked_images(stub, settings, tmp_path, name, damage):
    """Scores are those from before; refits and lists say which file is damaged, and the profile can be fitted again."""
    before = await log_likelihoods(stub)
    path = folder(settings) / name
    content = path.read_bytes()
    path.unlink()
    if damage == "changed":
        path.write_bytes(content[:-1] + b"\x00")
    elif damage == "a link":
        (tmp_path / "elsewhere").write_bytes(content)
        path.symlink_to(tmp_path / "elsewhere")
    problem = {"missing": "is missing", "changed": "has another SHA-256", "a link": "is a link"}[
        damage
    ]
    async with serving(await build(settings), settings) as channel:
        other = NoveltyServiceStub(channel)
        for call in (refit(other), liked_images(other)):
            code, details = await refusal(call)
            assert code is Code.FAILED_PRECONDITION
            assert details.startswith(f"profile landscapes@1 is damaged: {name} {problem}")
            assert "\n" not in details
        assert await log_likelihoods(other) == before
        (listed,) = (await other.ListProfiles(pb.ListProfilesRequest())).profiles
        assert listed.damage == ""
        assert (await fit(other, request_id="new")).version == 2
        assert len(await liked_images(other)) == 40


async def test_another_threshold_is_another_version(stub):
    """By any of three ways: with the same mixture, and with the liked images; each is what a fit would have given."""
    before = await log_likelihoods(stub)
    parts = (*labelled(range(40)), background(messages(OTHERS)))
    ways = [{"keep_ratio": 0.5}, {"pass_ratio": 0.25}, {"threshold_nats": -2.0}]
    for number, way in enumerate(ways):
        updated = await update(stub, **way)
        fitted = await fit(stub, *parts, name="other", request_id=str(number), **way)
        assert (updated.version, updated.base_profile) == (number + 2, f"landscapes@{number + 1}")
        for field in ("threshold_nats", "keep_ratio", "pass_ratio", "warnings", "expected_keep"):
            assert getattr(updated, field) == getattr(fitted, field)
        assert await get(stub) == updated
        assert await log_likelihoods(stub) == before
        assert [image.label for image in await liked_images(stub)] == [label(n) for n in range(40)]


async def test_verdicts_follow_the_new_threshold(stub):
    """Of the name at once; the version from before keeps its own."""
    await update(stub, threshold_nats=1e6)
    answers = [
        (await stub.ScoreEmbeddings(score_request(PROBE, name))).results
        for name in ("landscapes", "landscapes@1")
    ]
    accepted = [sum(result.value.verdict == 1 for result in results) for results in answers]
    assert accepted[0] == 0 < accepted[1]
    assert answers[0][0].value.threshold_nats == 1e6


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
@pytest.mark.parametrize(
    "name", ["liked.npy", "liked.json", "background.npy", "thumbnails/x.jpg", "thumbnails"]
)
async def test_files_that_are_none_stop_no_writer(stub, settings, name, make):
    """In place of a file a pipe or folder is named, without waiting for it; the other profiles are written."""
    path = folder(settings) / name
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    make(path)
    async with asyncio.timeout(20):
        if name == "thumbnails":
            await update(stub, keep_ratio=0.8)
        else:
            code, details = await refusal(update(stub, keep_ratio=0.8))
            assert code is Code.FAILED_PRECONDITION
            assert f"profile landscapes@1 is damaged: {name} is no regular file" in details
            assert str(settings.data) not in details
        await fit(stub, name="other", request_id="another")


async def test_the_same_threshold_is_the_same_version(stub):
    """Whether it is said in the same way, or comes to the same; and asked again for the first version."""
    first = await get(stub)
    assert await update(stub, keep_ratio=0.95) == first
    assert await update(stub, threshold_nats=first.threshold_nats) == first
    second = await update(stub, "landscapes@1", keep_ratio=0.5)
    assert second.version == 2
    assert await update(stub, "landscapes@1", keep_ratio=0.5) == second
    assert await update(stub, keep_ratio=0.5) == second
    back = await update(stub, keep_ratio=0.95)
    assert (back.version, back.threshold_nats, back.warnings) == (
        3,
        first.threshold_nats,
        first.warnings,
    )


async def test_warnings_follow_the_threshold(stub):
    """A threshold that lets everything pass says so; one that does not, does not."""
    wide = await update(stub, threshold_nats=-1e6)
    assert any("100% of the background sample passes too" in warning for warning in wide.warnings)
    narrow = await update(stub, keep_ratio=0.5)
    assert not any("background sample" in warning for warning in narrow.warnings)


async def test_a_refit_inherits_the_new_threshold(stub):
    """It is what the version that it begins with was last asked for."""
    await update(stub, pass_ratio=0.25)
    again = await refit(stub)
    assert (again.version, again.pass_ratio, again.keep_ratio) == (3, 0.25, 0.0)


@pytest.mark.parametrize(
    ("threshold", "problem"),
    [
        ({}, "nothing says where the threshold goes"),
        ({"keep_ratio": 0.0}, "keep_ratio is 0, not over 0 and up to 1"),
        ({"keep_ratio": 1.5}, "keep_ratio is 1.5"),
        ({"pass_ratio": -1.0}, "pass_ratio is -1"),
        ({"threshold_nats": float("nan")}, "threshold_nats is nan, not a finite number"),
    ],
)
async def test_thresholds_that_are_none(stub, threshold, problem):
    """INVALID_ARGUMENT with the value; no version is made."""
    code, details = await refusal(update(stub, **threshold))
    assert code is Code.INVALID_ARGUMENT
    assert problem in details
    assert (await get(stub)).version == 1


async def test_a_pass_ratio_without_a_background(stub):
    """It is a share of nothing."""
    await fit(stub, name="alone", request_id="alone")
    code, details = await refusal(update(stub, "alone", pass_ratio=0.5))
    assert (code, "share of the background sample" in details) == (Code.INVALID_ARGUMENT, True)


async def test_a_version_is_deleted(stub, settings):
    """Nothing of it is left but its number; the name means the newest one that is left, at once."""
    second = await refit(stub, removed(3))
    third = await refit(stub, request_id="third")
    await log_likelihoods(stub)
    assert await delete(stub, f"landscapes@{third.version}") == [3]
    assert await get(stub) == second
    gone = (Code.NOT_FOUND, "there is no profile 'landscapes@3'")
    for call in (
        get(stub, "landscapes@3"),
        log_likelihoods(stub, "landscapes@3"),
        liked_images(stub, "landscapes@3"),
        update(stub, "landscapes@3", keep_ratio=0.5),
        refit(stub, base_profile="landscapes@3", request_id="x"),
        delete(stub, "landscapes@3"),
    ):
        assert await refusal(call) == gone
    assert [path.name for path in folder(settings, "landscapes@3").iterdir()] == ["deleted"]
    assert (await refit(stub, request_id="fourth")).version == 4


async def test_a_name_is_deleted(stub, settings):
    """With all its versions; the others stay. A new fit of the name counts on, after a restart too."""
    await update(stub, keep_ratio=0.5)
    await fit(stub, name="birds", request_id="birds")
    assert await delete(stub, "landscapes") == [1, 2]
    listing = (await stub.ListProfiles(pb.ListProfilesRequest())).profiles
    assert [profile.name for profile in listing] == ["birds"]
    for call in (get(stub), delete(stub, "landscapes"), log_likelihoods(stub)):
        assert await refusal(call) == (Code.NOT_FOUND, "there is no profile 'landscapes'")
    async with serving(await build(settings), settings) as channel:
        assert (await fit(NoveltyServiceStub(channel), request_id="new")).version == 3


async def test_deletions_that_cannot_be(stub):
    """No such name or version, and what is neither."""
    for name in ("birds", "landscapes@2"):
        assert await refusal(delete(stub, name)) == (
            Code.NOT_FOUND,
            f"there is no profile '{name}'",
        )
    for name in ("", "../up", "landscapes@0"):
        assert (await refusal(delete(stub, name)))[0] is Code.INVALID_ARGUMENT
    assert (await get(stub)).version == 1


async def test_a_stream_of_a_version_that_is_deleted(stub):
    """Its next score is NOT_FOUND: a crawl that runs hears of it."""
    go_on, embedding = asyncio.Event(), PROBE[0]

    async def requests():
        yield pb.StreamScoreEmbeddingsRequest(id="1", profile="landscapes@1", embedding=embedding)
        await go_on.wait()
        yield pb.StreamScoreEmbeddingsRequest(id="2", profile="landscapes@1", embedding=embedding)

    call = stub.StreamScoreEmbeddings(requests())
    assert (await call.read()).result.HasField("value")
    assert await delete(stub, "landscapes") == [1]
    go_on.set()
    assert await refusal(call.read()) == (
        Code.NOT_FOUND,
        "there is no profile 'landscapes@1'",
    )


async def is_gone(call):
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code() is Code.NOT_FOUND
    return False


async def test_a_version_deleted_by_another_server(stub, settings):
    """Replicas share the folder; after a second they do not serve it either."""
    async with serving(await build(settings), settings) as channel:
        other = NoveltyServiceStub(channel)
        await log_likelihoods(other, "landscapes@1")
        await delete(stub, "landscapes@1")
        async with asyncio.timeout(20):
            while not await is_gone(log_likelihoods(other, "landscapes@1")):
                pass


async def test_damaged_versions_can_be_deleted(stub, settings):
    """And folders that people emptied."""
    (folder(settings) / "profile.json").write_text("{")
    await fit(stub, request_id="two")
    shutil.rmtree(folder(settings, "landscapes@2"))
    folder(settings, "landscapes@2").mkdir()
    assert await delete(stub, "landscapes") == [1, 2]
