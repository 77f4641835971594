from __future__ import annotations

import asyncio
import math
import threading
import time

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from lodestone.image.v1 import embedding_pb2, rejection_pb2, verdict_pb2
from lodestone.novelty.v1 import novelty_service_pb2 as pb
from lodestone.novelty.v1 import profile_pb2
from lodestone.novelty.v1.novelty_service_pb2_grpc import NoveltyServiceStub
from services.novelty import __main__ as novelty_main
from services.novelty.__main__ import build
from services.novelty.stored.profile_store import ProfileStore
from services.servicekit import errors
from services.servicekit.server import ServiceServer
from tests.contract.novelty.calls import (
    FP32,
    background,
    fit,
    liked,
    message,
    messages,
    options,
    score_request,
)
from tests.contract.refusal import refusal
from tests.fakes.serving import serving
from tests.novelty.tastes import ENCODER_ID, OTHER_ENCODER_ID, unit_rows

Code = grpc.StatusCode
ACCEPTED, OFF_PROFILE = verdict_pb2.VERDICT_ACCEPTED, verdict_pb2.VERDICT_OFF_PROFILE
BAD_EMBEDDING = rejection_pb2.REJECTION_CODE_BAD_EMBEDDING


@pytest.fixture
async def fitted(stub):
    """The stub of a server that has `landscapes`."""
    await fit(stub)
    return stub


async def stream_scores(stub, requests):
    return {answer.id: answer.result async for answer in stub.StreamScoreEmbeddings(iter(requests))}


async def test_a_fit_gives_a_whole_profile(stub):
    """Every field of the contract is filled from what was sent."""
    rows, others = unit_rows(40), unit_rows(25, centre=3)
    profile = await fit(
        stub,
        liked(messages(rows[:15])),
        background(messages(others)),
        liked(messages(rows[15:])),
        keep_ratio=0.9,
    )
    assert (profile.name, profile.version) == ("landscapes", 1)
    assert (profile.encoder_id, profile.precision, profile.dimension) == (ENCODER_ID, FP32, 16)
    assert (profile.liked_count, profile.background_count) == (40, 25)
    assert profile.covariance == profile_pb2.COVARIANCE_DIAG
    assert profile.component_count >= 1
    assert profile.keep_ratio == 0.9
    held_out = list(profile.held_out_log_likelihoods)
    assert len(held_out) == 40
    assert held_out == sorted(held_out)
    assert np.mean(np.array(held_out) >= profile.threshold_nats) == pytest.approx(0.9, abs=0.03)
    assert len(profile.background_log_likelihoods) == 25
    assert max(profile.background_log_likelihoods) < profile.threshold_nats
    assert list(profile.warnings) == []
    assert profile.create_time.ToSeconds() > 1_700_000_000


async def test_a_fit_states_what_to_expect(stub):
    """Both shares with their intervals, both separations, and the photos that repeat another."""
    rows, others = unit_rows(60, 64), unit_rows(50, 64, centre=3)
    parts = (liked(messages([*rows, rows[7]])), background(messages(others)))
    profile = await fit(stub, *parts)
    keep, passing = profile.expected_keep, profile.expected_pass
    assert 0.8 < keep.low < keep.expected < keep.high < 1.0
    assert keep.confidence == passing.confidence == 0.95
    assert (passing.low, passing.high) == (0.0, pytest.approx(0.0711, abs=1e-4))
    assert (profile.separation, profile.neighbour_separation) == (1.0, 1.0)
    assert [(one.position, one.duplicate_of) for one in profile.duplicates] == [(60, 7)]
    assert (profile.liked_count, profile.duplicate_count) == (60, 1)
    assert (await listed(stub))["landscapes"].duplicates == []
    alone = await fit(stub, request_id="two")
    assert not alone.HasField("separation")
    assert not alone.HasField("expected_pass")


async def test_other_ways_to_set_the_threshold(stub):
    """A share of the background, or the threshold itself; the keep ratio is not set then."""
    parts = (liked(messages(unit_rows(40))), background(messages(unit_rows(100, seed=5))))
    by_ratio = await fit(stub, *parts, pass_ratio=0.25)
    passing = np.array(by_ratio.background_log_likelihoods) >= by_ratio.threshold_nats
    assert passing.mean() == pytest.approx(0.25)
    assert (by_ratio.pass_ratio, by_ratio.keep_ratio) == (0.25, 0.0)
    stated = await fit(stub, threshold_nats=0.0, request_id="two")
    assert (stated.threshold_nats, stated.pass_ratio, stated.keep_ratio) == (0.0, 0.0, 0.0)


async def test_scores_say_what_fits(fitted):
    """Images like the liked ones pass, others do not, and each answer carries threshold and version."""
    profile = (await fitted.GetProfile(pb.GetProfileRequest(profile="landscapes"))).profile
    near, far = unit_rows(30, seed=9), unit_rows(30, centre=3, seed=9)
    embeddings = messages(np.concatenate([near, far]))
    answer = await fitted.ScoreEmbeddings(score_request(embeddings))
    scores = [result.value for result in answer.results]
    assert sum(score.verdict == ACCEPTED for score in scores[:30]) >= 25
    assert all(score.verdict == OFF_PROFILE for score in scores[30:])
    for score in scores:
        assert score.threshold_nats == profile.threshold_nats
        assert score.profile_version == 1
        assert (score.log_likelihood >= score.threshold_nats) == (score.verdict == ACCEPTED)
        as_low = sum(held <= score.log_likelihood for held in profile.held_out_log_likelihoods)
        assert score.percentile == pytest.approx(100 * (1 + as_low) / 41)


async def test_the_stream_scores_as_the_unary_call(fitted):
    """The same embeddings get the same scores, each under its own id."""
    rows = unit_rows(500, seed=4)
    unary = await fitted.ScoreEmbeddings(score_request(messages(rows)))
    requests = [
        pb.StreamScoreEmbeddingsRequest(
            id=str(row), profile="landscapes", embedding=message(values)
        )
        for row, values in enumerate(rows)
    ]
    streamed = await stream_scores(fitted, requests)
    assert len(streamed) == 500
    for row, result in enumerate(unary.results):
        assert streamed[str(row)].value.verdict == result.value.verdict
        assert streamed[str(row)].value.log_likelihood == pytest.approx(result.value.log_likelihood)


def many(embeddings, number=1, **changes):
    fields = {"id": str(number), "profile": "landscapes", "embeddings": embeddings}
    return pb.StreamScoreEmbeddingsRequest(**(fields | changes))


async def test_a_stream_of_many_a_message(fitted):
    """Each message's results come under its id, in its order, and are those of the unary call."""
    rows = unit_rows(700, seed=4)
    unary = await fitted.ScoreEmbeddings(score_request(messages(rows)))
    requests = [many(messages(rows[at : at + 256]), at) for at in range(0, 700, 256)]
    answers = {answer.id: answer async for answer in fitted.StreamScoreEmbeddings(iter(requests))}
    assert sorted(answers) == ["0", "256", "512"]
    assert not any(answer.HasField("result") for answer in answers.values())
    streamed = [result for at in ("0", "256", "512") for result in answers[at].results]
    assert len(streamed) == len(unary.results) == 700
    for one, other in zip(streamed, unary.results, strict=True):
        assert one.value.verdict == other.value.verdict
        assert one.value.log_likelihood == pytest.approx(other.value.log_likelihood, rel=1e-9)


async def test_one_and_many_on_one_stream(fitted):
    """Messages of both forms are answered each in its own form."""
    embedding = message(unit_rows(1)[0])
    alone = pb.StreamScoreEmbeddingsRequest(id="1", profile="landscapes", embedding=embedding)
    requests = iter([alone, many([embedding], 2)])
    answers = {answer.id: answer async for answer in fitted.StreamScoreEmbeddings(requests)}
    assert answers["1"].result == answers["2"].results[0]
    assert not answers["1"].results
    assert not answers["2"].HasField("result")


async def test_versions(stub):
    """A new fit is a new version: the name means the newest, name@version stays what it was."""
    first = await fit(stub)
    second = await fit(stub, liked(messages(unit_rows(30, centre=5))), request_id="two")
    assert (first.version, second.version) == (1, 2)
    for name, expected in (
        ("landscapes", second),
        ("landscapes@1", first),
        ("landscapes@2", second),
    ):
        answer = await stub.GetProfile(pb.GetProfileRequest(profile=name))
        assert answer.profile == expected
    score = score_request(messages(unit_rows(1)))
    assert (await stub.ScoreEmbeddings(score)).results[0].value.profile_version == 2
    score.profile = "landscapes@1"
    assert (await stub.ScoreEmbeddings(score)).results[0].value.profile_version == 1


async def test_profiles_are_listed(stub):
    """The newest version of each name, in order, without the long lists."""
    assert not (await stub.ListProfiles(pb.ListProfilesRequest())).profiles
    for request_id, name in (("a", "trees"), ("b", "birds"), ("c", "trees")):
        await fit(stub, request_id=request_id, name=name)
    profiles = (await stub.ListProfiles(pb.ListProfilesRequest())).profiles
    assert [(profile.name, profile.version) for profile in profiles] == [("birds", 1), ("trees", 2)]
    assert profiles[0].liked_count == 40
    assert not profiles[0].held_out_log_likelihoods


async def test_the_seeds_own_recipe(stub):
    """16 full covariances are one option away, and say what is to be expected of them."""
    profile = await fit(stub, component_count=16, covariance=profile_pb2.COVARIANCE_FULL)
    assert profile.component_count == 16
    assert profile.covariance == profile_pb2.COVARIANCE_FULL
    assert "learned from 40 liked images" in profile.warnings[0]
    answer = await stub.ScoreEmbeddings(score_request(messages(unit_rows(3))))
    assert all(result.HasField("value") for result in answer.results)


async def test_a_profile_says_whether_it_is_relative(stub):
    """A background that the taste alone does not tell apart makes it relative; read from disk it still is."""
    near, far = unit_rows(40), unit_rows(30, centre=3)
    assert not (
        await fit(stub, liked(messages(near)), background(messages(far)))
    ).relative_to_background
    middle = unit_rows(2)[:1] * 0.97 + unit_rows(30, seed=8) * 0.03
    middle /= np.linalg.norm(middle, axis=1, keepdims=True)
    parts = (liked(messages(near)), background(messages(middle)))
    assert (await fit(stub, *parts, request_id="two")).relative_to_background
    (listed,) = (await stub.ListProfiles(pb.ListProfilesRequest())).profiles
    assert listed.relative_to_background
    answer = await stub.ScoreEmbeddings(score_request(messages(middle)))
    assert all(result.value.verdict == OFF_PROFILE for result in answer.results)


async def test_a_small_profile_warns(stub):
    """18 liked images are enough to fit, and the profile says that they are few."""
    profile = await fit(stub, liked(messages(unit_rows(18))))
    assert profile.warnings[0].startswith("18 liked images make a small profile")


async def test_a_request_is_fitted_once(stub):
    """The same request_id brings back the first profile, sent again or twice at once."""
    first, second = await asyncio.gather(fit(stub), fit(stub))
    assert first == second == await fit(stub, name="other", component_count=3)
    assert first.version == 1
    profiles = (await stub.ListProfiles(pb.ListProfilesRequest())).profiles
    assert [profile.name for profile in profiles] == ["landscapes"]


async def test_concurrent_fits_of_one_name(stub):
    """Two requests for one name get two versions."""
    profiles = await asyncio.gather(*(fit(stub, request_id=name) for name in "abc"))
    assert sorted(profile.version for profile in profiles) == [1, 2, 3]


async def test_profiles_survive_a_restart(settings):
    """Another server on the same folder has the profile, its scores and its request."""
    request = score_request(messages(unit_rows(5, seed=2)))
    async with serving(await build(settings), settings) as channel:
        stub = NoveltyServiceStub(channel)
        before = await fit(stub)
        scores = await stub.ScoreEmbeddings(request)
    async with serving(await build(settings), settings) as channel:
        stub = NoveltyServiceStub(channel)
        assert (await stub.GetProfile(pb.GetProfileRequest(profile="landscapes"))).profile == before
        assert await stub.ScoreEmbeddings(request) == scores
        assert await fit(stub) == before


async def test_scores_are_answered_during_a_fit(settings, monkeypatch):
    """A fit that takes long holds up nobody."""
    started, go_on = threading.Event(), threading.Event()
    learn = novelty_main.learn

    def slow_fit(*args, **kwargs):
        started.set()
        assert go_on.wait(30)
        return learn(*args, **kwargs)

    async with serving(await build(settings), settings) as channel:
        await fit(NoveltyServiceStub(channel))
    monkeypatch.setattr(novelty_main, "learn", slow_fit)
    async with serving(await build(settings), settings) as channel:
        stub = NoveltyServiceStub(channel)
        fitting = asyncio.create_task(fit(stub, request_id="slow"))
        assert await asyncio.to_thread(started.wait, 10)
        answer = await stub.ScoreEmbeddings(score_request(messages(unit_rows(1))), timeout=10)
        assert answer.results[0].value.profile_version == 1
        assert not fitting.done()
        go_on.set()
        assert (await fitting).version == 2


ROWS = unit_rows(12)


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ([], "the stream ended before the options came"),
        ([liked(messages(ROWS))], "the first message of a fit must hold its options"),
        ([pb.FitProfileRequest()], "the first message of a fit must hold its options"),
        ([options(), options()], "the options came twice"),
        ([options(), pb.FitProfileRequest()], "a message of the fit holds nothing"),
        ([options()], "needs 8 liked images at least, and there are 0"),
        ([options(), liked(messages(ROWS[:7]))], "needs 8 liked images at least, and there are 7"),
        ([options(), background(messages(ROWS))], "and there are 0"),
        ([options(request_id="")], "request_id has 0 characters"),
        ([options(name="../up")], "'../up' cannot be a profile's name"),
        ([options(name="")], "'' cannot be a profile's name"),
        ([options(keep_ratio=1.5)], "keep_ratio is 1.5"),
        ([options(keep_ratio=-0.5)], "keep_ratio is -0.5"),
        ([options(keep_ratio=math.nan)], "keep_ratio is nan"),
        ([options(pass_ratio=2)], "pass_ratio is 2"),
        ([options(threshold_nats=math.nan)], "threshold_nats is nan"),
        ([options(keep_ratio=0.9, threshold_nats=0)], "keep_ratio and threshold_nats are set"),
        ([options(pass_ratio=0.5), liked(messages(ROWS))], "a pass_ratio is a share of the background sample"),
        ([options(), liked(messages(ROWS[[0] * 9]))], "8 different liked images at least, and there are 1: 8 more"),
        ([options(component_count=257)], "component_count is 257"),
        ([options(component_count=-1)], "component_count is -1"),
        ([options(covariance=9)], "covariance 9 is not known here"),
        ([options(component_count=13), liked(messages(ROWS))], "13 components need 13 liked images"),
        ([options(), liked([*messages(ROWS), message(2 * ROWS[0])])], "liked[12]: the L2 norm"),
        ([options(), liked([message(ROWS[0] * np.nan)])], "liked[0]: the L2 norm"),
        ([options(), liked([message([math.inf, 0, 0])])], "liked[0]: the L2 norm"),
        ([options(), liked([message([])])], "liked[0]: the L2 norm of its 0 values"),
        ([options(), liked([message(ROWS[0], precision=0)])], "liked[0]: its precision is not stated"),
        ([options(), liked([message(ROWS[0], precision=77)])], "liked[0]: its precision, 77,"),
        ([options(), liked([message(ROWS[0], encoder_id="x")])], "liked[0]: its encoder id is 'x'"),
        (
            [options(), liked(messages(ROWS)), background([message(unit_rows(1, 8)[0])])],
            "background[0]: it has 8 values, and 16 before it",
        ),
        (
            [options(), liked(messages(ROWS)), liked([message(ROWS[0], encoder_id=OTHER_ENCODER_ID)])],
            f"liked[12]: its encoder id is '{OTHER_ENCODER_ID}', and '{ENCODER_ID}' before it",
        ),
        (
            [options(), liked([*messages(ROWS[:3]), message(ROWS[3], precision=3)])],
            "liked[3]: its precision is BF16, and FP32 before it",
        ),
    ],
)  # fmt: skip
async def test_bad_fits(stub, parts, problem):
    """Each is INVALID_ARGUMENT with a sentence that says what is wrong and where, and leaves no profile."""
    code, details = await refusal(stub.FitProfile(iter(parts)))
    assert code is Code.INVALID_ARGUMENT
    assert problem in details
    assert not (await stub.ListProfiles(pb.ListProfilesRequest())).profiles


async def test_a_fit_over_the_limit(monkeypatch, settings):
    """More embeddings than the server takes are refused as they come."""
    small = settings.model_copy(update={"fit_max_embeddings": 20})
    async with serving(await build(small), small) as channel:
        stub = NoveltyServiceStub(channel)
        call = fit(stub, liked(messages(unit_rows(21))))
        assert await refusal(call) == (
            Code.INVALID_ARGUMENT,
            "a fit takes at most 20 liked embeddings here",
        )


async def test_the_limit_is_that_of_the_liked_and_of_the_background(settings):
    """Each has its own, and the one of the liked holds after a refit too."""
    small = settings.model_copy(update={"fit_max_embeddings": 20})
    async with serving(await build(small), small) as channel:
        stub = NoveltyServiceStub(channel)
        ordinary = messages(unit_rows(20, seed=5))
        await fit(stub, liked(messages(unit_rows(15))), background(ordinary))
        more = liked(messages(unit_rows(6, seed=7)))
        call = fit(stub, more, request_id="more", base_profile="landscapes")
        assert await refusal(call) == (
            Code.INVALID_ARGUMENT,
            "a fit takes at most 20 liked embeddings here",
        )


async def test_a_silent_fit_is_ended(settings):
    """A client that sends nothing more does not hold its embeddings in memory for ever."""
    impatient = settings.model_copy(update={"stream_idle_s": 0.05})
    async with serving(await build(impatient), impatient) as channel:
        call = NoveltyServiceStub(channel).FitProfile()
        await call.write(options())
        assert await refusal(call) == (
            Code.DEADLINE_EXCEEDED,
            "nothing moved on this stream for 0.05 s",
        )


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("birds", Code.NOT_FOUND),
        ("landscapes@2", Code.NOT_FOUND),
        ("", Code.INVALID_ARGUMENT),
        ("../landscapes", Code.INVALID_ARGUMENT),
        ("landscapes@0", Code.INVALID_ARGUMENT),
        ("landscapes@1/../1", Code.INVALID_ARGUMENT),
        (".staging", Code.INVALID_ARGUMENT),
    ],
)
async def test_profiles_that_are_not_there(fitted, name, code):
    """All three calls that name a profile answer alike."""
    embedding = message(unit_rows(1)[0])
    get = fitted.GetProfile(pb.GetProfileRequest(profile=name))
    score = fitted.ScoreEmbeddings(score_request([embedding], name))
    streamed = pb.StreamScoreEmbeddingsRequest(id="1", profile=name, embedding=embedding)
    answers = [await refusal(call) for call in (get, score, stream_scores(fitted, [streamed]))]
    assert answers[0][0] is code
    assert answers == [answers[0]] * 3
    assert name in answers[0][1]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"encoder_id": OTHER_ENCODER_ID}, (OTHER_ENCODER_ID, ENCODER_ID)),
        ({"encoder_id": ""}, ("''", ENCODER_ID)),
        ({"precision": embedding_pb2.PRECISION_FP16}, ("FP16", "FP32")),
    ],
)
async def test_another_encoder(fitted, change, named):
    """Embeddings that the profile cannot be compared with end the call or stream, naming both sides."""
    good, odd = message(unit_rows(1)[0]), message(unit_rows(1)[0], **change)
    streamed = pb.StreamScoreEmbeddingsRequest(id="1", profile="landscapes", embedding=odd)
    for call in (
        fitted.ScoreEmbeddings(score_request([good, odd])),
        stream_scores(fitted, [streamed]),
        stream_scores(fitted, [many([good, odd])]),
    ):
        code, details = await refusal(call)
        assert code is Code.FAILED_PRECONDITION
        assert "landscapes@1" in details
        assert all(name in details for name in named)


async def test_bad_embeddings_are_rejected_in_their_place(fitted):
    """One bad item costs one rejection; the others are scored."""
    good = unit_rows(1)[0]
    odd = [
        message(unit_rows(1, 8)[0]),
        message(good * 1.5),
        message(good * np.nan),
        message([]),
        message(good, precision=0),
    ]
    answer = await fitted.ScoreEmbeddings(score_request([message(good), *odd, message(good)]))
    outcomes = [result.WhichOneof("outcome") for result in answer.results]
    assert outcomes == ["value", *["rejection"] * 5, "value"]
    rejections = [result.rejection for result in answer.results[1:-1]]
    assert all(rejection.code == BAD_EMBEDDING for rejection in rejections)
    assert rejections[0].reason == "it has 8 values, and profile landscapes@1 takes 16"

    requests = [
        pb.StreamScoreEmbeddingsRequest(id=str(number), profile="landscapes", embedding=embedding)
        for number, embedding in enumerate([message(good), *odd])
    ]
    streamed = await stream_scores(fitted, requests)
    assert streamed["0"].HasField("value")
    assert [streamed[str(number)].rejection for number in range(1, 6)] == rejections

    together = fitted.StreamScoreEmbeddings(iter([many([message(good), *odd, message(good)])]))
    assert [list(one.results) async for one in together] == [list(answer.results)]


async def test_all_items_bad(fitted):
    """A request with nothing to score is still answered."""
    answer = await fitted.ScoreEmbeddings(score_request([message([])]))
    assert answer.results[0].rejection.code == BAD_EMBEDDING


async def test_the_number_of_embeddings(fitted):
    """0 and 1025 are refused with the number, 1024 are scored."""
    row = message(unit_rows(1)[0])
    for count in (0, 1025):
        code, details = await refusal(fitted.ScoreEmbeddings(score_request([row] * count)))
        assert (code, details) == (
            Code.INVALID_ARGUMENT,
            f"{count} embeddings; a request has 1 to 1024",
        )
    assert len((await fitted.ScoreEmbeddings(score_request([row] * 1024))).results) == 1024


async def test_the_number_of_embeddings_a_message(fitted):
    """256 are scored, 257 end the stream with the number."""
    row = message(unit_rows(1)[0])
    (answer,) = [one async for one in fitted.StreamScoreEmbeddings(iter([many([row] * 256)]))]
    assert len(answer.results) == 256
    assert await refusal(stream_scores(fitted, [many([row] * 257)])) == (
        Code.INVALID_ARGUMENT,
        "257 embeddings; a message of a stream has at most 256",
    )


async def test_both_forms_in_one_message(fitted):
    """A message that has embedding and embeddings ends the stream."""
    row = message(unit_rows(1)[0])
    assert await refusal(stream_scores(fitted, [many([row], embedding=row)])) == (
        Code.INVALID_ARGUMENT,
        "a message has embedding or embeddings, not both",
    )


async def test_a_message_of_no_embedding(fitted):
    """With neither form it is a rejection, and the stream goes on."""
    good = pb.StreamScoreEmbeddingsRequest(
        id="2", profile="landscapes", embedding=message(unit_rows(1)[0])
    )
    answers = await stream_scores(fitted, [many([]), good])
    assert answers["1"].rejection.code == BAD_EMBEDDING
    assert answers["2"].HasField("value")


async def test_the_length_of_ids(fitted):
    """128 characters are echoed, 129 end the stream."""
    request = pb.StreamScoreEmbeddingsRequest(
        id="x" * 128, profile="landscapes", embedding=message(unit_rows(1)[0])
    )
    assert list(await stream_scores(fitted, [request])) == ["x" * 128]
    request.id += "x"
    code, details = await refusal(stream_scores(fitted, [request]))
    assert (code, details) == (
        Code.INVALID_ARGUMENT,
        "an id of 129 characters; it has at most 128",
    )


def profile_file(settings, reference, name):
    profile, version = reference.split("@")
    return settings.data / "artifacts" / "profiles" / profile / version / name


async def listed(stub):
    return {one.name: one for one in (await stub.ListProfiles(pb.ListProfilesRequest())).profiles}


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (("profile.json", b"{"), "profile.json is not valid JSON"),
        (("profile.json", None), "profile.json is missing"),
        (("profile.npz", b"x"), "profile.npz has another SHA-256 than profile.json says"),
        (("profile.npz", None), "profile.npz is missing"),
    ],
)
async def test_a_damaged_profile(fitted, settings, logs, damage, problem):
    """It is one clear error wherever it is named; the list has it with the damage, and the others are not affected."""
    await fit(fitted, name="birds", request_id="two")
    name, content = damage
    path = profile_file(settings, "birds@1", name)
    path.unlink() if content is None else path.write_bytes(content)
    embedding = message(unit_rows(1)[0])
    streamed = pb.StreamScoreEmbeddingsRequest(id="1", profile="birds", embedding=embedding)
    async with serving(await build(settings), settings) as channel:
        stub = NoveltyServiceStub(channel)
        for call in (
            stub.GetProfile(pb.GetProfileRequest(profile="birds")),
            stub.ScoreEmbeddings(score_request([embedding], "birds")),
            stream_scores(stub, [streamed]),
        ):
            assert await refusal(call) == (
                Code.FAILED_PRECONDITION,
                f"profile birds@1 is damaged: {problem}; restore the file or fit the profile again",
            )
        profiles = await listed(stub)
        assert list(profiles) == ["birds", "landscapes"]
        assert profiles["birds"] == profile_pb2.Profile(name="birds", version=1, damage=problem)
        assert profiles["landscapes"].damage == ""
        assert profiles["landscapes"].liked_count == 40
        assert problem in next(e["cause"] for e in logs if e["event"] == "profile_damaged")
        await stub.ScoreEmbeddings(score_request([embedding]))


async def test_a_damaged_newest_version(fitted, settings):
    """The name does not fall back to an older version without a word: the error says how to choose that one."""
    assert (await fit(fitted, request_id="two")).version == 2
    profile_file(settings, "landscapes@2", "profile.json").write_text("")
    problem = "profile.json is not valid JSON"
    ways = "restore the file, fit the profile again, or ask for landscapes@1"
    score = score_request(messages(unit_rows(1)))
    async with serving(await build(settings), settings) as channel:
        stub = NoveltyServiceStub(channel)
        assert await refusal(stub.ScoreEmbeddings(score)) == (
            Code.FAILED_PRECONDITION,
            f"profile landscapes@2 is damaged: {problem}; {ways}",
        )
        found = (await listed(stub))["landscapes"]
        assert (found.version, found.damage) == (2, problem)
        score.profile = "landscapes@1"
        assert (await stub.ScoreEmbeddings(score)).results[0].value.profile_version == 1
        assert (await fit(stub, request_id="two")).version == 3
        score.profile = "landscapes"
        assert (await stub.ScoreEmbeddings(score)).results[0].value.profile_version == 3


async def test_a_stop_ends_a_fit_at_once(settings, monkeypatch):
    """The client hears UNAVAILABLE long before the end of the drain, and nothing is left of the profile."""
    started = threading.Event()

    def endless_fit(liked_set, options, *, stopped):
        started.set()
        while not stopped():
            time.sleep(0.001)
        raise errors.Unavailable("this server", "it is shutting down")

    monkeypatch.setattr(novelty_main, "learn", endless_fit)
    patient = settings.model_copy(update={"drain_s": 60.0})
    server = ServiceServer(await build(patient), patient)
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub = NoveltyServiceStub(channel)
        fitting = asyncio.create_task(fit(stub))
        reading = stub.FitProfile()
        await reading.write(options(request_id="two"))
        assert await asyncio.to_thread(started.wait, 10)
        async with asyncio.timeout(30):
            await server.stop()
            for call in (fitting, reading):
                code, details = await refusal(call)
                assert code is Code.UNAVAILABLE
                assert "shutting down" in details
    root = settings.data / "artifacts" / "profiles"
    assert [path.name for path in root.iterdir()] == [".lock"]


async def test_ready_means_that_scores_come_out(settings, monkeypatch):
    """Health is the answer to a real computation, and turns when that is wrong."""
    check = health_pb2.HealthCheckRequest(service="lodestone.novelty.v1.NoveltyService")
    async with serving(await build(settings), settings) as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(check)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    monkeypatch.setattr(novelty_main, "compute_log_likelihoods", lambda items: [0.0] * len(items))
    async with serving(await build(settings), settings) as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(check)
        assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_the_folder_is_the_artifacts_folder(fitted, settings):
    """Profiles lie where other replicas look for them."""
    store = ProfileStore(settings.data / "artifacts" / "profiles", libraries={})
    assert store.names() == ["landscapes"]
    libraries = store.folder("landscapes", 1) / "profile.json"
    assert '"scikit-learn"' in libraries.read_text()
