"""ExplainEmbeddings and MapEmbeddings over the wire."""

from __future__ import annotations

import asyncio
import os
import threading

import grpc
import numpy as np
import pytest

from lodestone.image.v1 import embedding_pb2, rejection_pb2
from lodestone.novelty.v1 import novelty_service_pb2 as pb
from lodestone.novelty.v1 import profile_pb2
from lodestone.novelty.v1.novelty_service_pb2_grpc import NoveltyServiceStub
from services.novelty import __main__ as novelty_main
from services.novelty.__main__ import build
from services.novelty.stored.profile_store import ProfileStore
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
from tests.novelty.tastes import OTHER_ENCODER_ID, taste, unit_rows

Code = grpc.StatusCode
BF16 = embedding_pb2.PRECISION_BF16
BAD_EMBEDDING = rejection_pb2.REJECTION_CODE_BAD_EMBEDDING

# Images 40 and 41 are the images 3 and 7 once more.
ROWS = np.concatenate([unit_rows(40), unit_rows(40)[[3, 7]]])
OTHERS = unit_rows(25, centre=3)


@pytest.fixture
async def stub(stub):
    """Of a server that has `landscapes`, of images that have names."""
    await fit(stub, named(), background(messages(OTHERS)))
    return stub


def named():
    labels = [
        profile_pb2.ImageLabel(digest=f"{at:064x}", name=f"{at}.jpg") for at in range(len(ROWS))
    ]
    return pb.FitProfileRequest(liked=pb.EmbeddingBatch(embeddings=messages(ROWS), labels=labels))


def explain_request(embeddings, profile="landscapes", count=0):
    return pb.ExplainEmbeddingsRequest(
        profile=profile, embeddings=embeddings, neighbour_count=count
    )


async def explain(stub, embeddings, **changes):
    return (await stub.ExplainEmbeddings(explain_request(embeddings, **changes))).results


def map_request(embeddings=(), profile="landscapes"):
    return pb.MapEmbeddingsRequest(profile=profile, embeddings=embeddings)


async def draw(stub, embeddings=(), **changes):
    return (await stub.MapEmbeddings(map_request(embeddings, **changes))).points


def points_of(points, role):
    return [point for point in points if point.role == role]


def old_profile(settings):
    """One of a format that kept no liked images."""
    store = ProfileStore(settings.data / "artifacts" / "profiles", libraries={})
    store.save(taste(), name="old", request_id="old")


async def test_the_nearest_liked_images_are_named(stub):
    """As found one pair at a time, each picture once, with what the client called them."""
    queries = unit_rows(20, seed=3)
    results = await explain(stub, messages(queries), count=5)
    for query, result in zip(queries.astype(np.float64), results, strict=True):
        cosines = ROWS[:40].astype(np.float64) @ query
        expected = np.argsort(-cosines)[:5].tolist()
        neighbours = result.value.neighbours
        assert [one.image.position for one in neighbours] == expected
        found = [one.cosine_similarity for one in neighbours]
        assert found == pytest.approx(cosines[expected], abs=1e-6)
        assert [one.image.label.name for one in neighbours] == [f"{at}.jpg" for at in expected]
        assert neighbours[0].image.HasField("held_out_log_likelihood")


async def test_an_explanation_has_the_score(stub):
    """The very one that ScoreEmbeddings gives, three neighbours unless asked otherwise, itself first."""
    rows = np.concatenate([ROWS[3:5], OTHERS[:3]])
    results = await explain(stub, messages(rows))
    scores = (await stub.ScoreEmbeddings(score_request(messages(rows)))).results
    assert [result.value.score for result in results] == [score.value for score in scores]
    assert [len(result.value.neighbours) for result in results] == [3] * 5
    nearest = results[0].value.neighbours[0]
    assert (nearest.image.position, nearest.cosine_similarity) == (3, 1.0)
    many = await explain(stub, messages(rows), count=16)
    assert [len(result.value.neighbours) for result in many] == [16] * 5


async def test_liked_images_that_are_cut_while_in_use(stub, settings):
    """What needs them says so, and the process lives: it scores, and explains again once the file is restored."""
    some = messages(ROWS[:1])
    await explain(stub, some)
    path = settings.data / "artifacts" / "profiles" / "landscapes" / "1" / "liked.npy"
    whole = path.read_bytes()
    os.truncate(path, 200)
    for call in (explain, draw):
        code, details = await refusal(call(stub, some))
        assert code is Code.FAILED_PRECONDITION
        assert "profile landscapes@1 is damaged: liked.npy" in details
    assert (await stub.ScoreEmbeddings(score_request(some))).results[0].HasField("value")
    path.write_bytes(whole)
    assert len(await explain(stub, some)) == 1


async def test_a_bad_embedding_is_rejected_in_its_place(stub):
    """The others are explained."""
    some = [message(ROWS[0]), message(2 * ROWS[1]), message(unit_rows(1, 8)[0]), message(ROWS[2])]
    results = await explain(stub, some)
    assert [result.WhichOneof("outcome") for result in results] == [
        "value", "rejection", "rejection", "value",
    ]  # fmt: skip
    assert results[1].rejection.code == BAD_EMBEDDING
    assert [results[at].value.neighbours[0].image.position for at in (0, 3)] == [0, 2]
    points = points_of(await draw(stub, some), pb.MAP_ROLE_GIVEN)
    assert [point.position for point in points] == [0, 3]


async def test_requests_that_are_refused(stub, settings):
    """Too few or many embeddings or neighbours, another encoder or precision, no profile, or one of an older format."""
    old_profile(settings)
    good = messages(ROWS[:1])
    other_encoder = messages(ROWS[:1], encoder_id=OTHER_ENCODER_ID)
    other_precision = messages(ROWS[:1], precision=BF16)
    for request, code, problem in (
        (explain_request([]), Code.INVALID_ARGUMENT, "0 embeddings; a request has 1 to 64"),
        (explain_request(good * 65), Code.INVALID_ARGUMENT, "65 embeddings"),
        (explain_request(good, count=17), Code.INVALID_ARGUMENT, "neighbour_count is 17, not 1"),
        (explain_request(good, count=-1), Code.INVALID_ARGUMENT, "neighbour_count is -1"),
        (explain_request(other_encoder), Code.FAILED_PRECONDITION, "profile landscapes@1 takes"),
        (explain_request(other_precision), Code.FAILED_PRECONDITION, "profile landscapes@1 was"),
        (explain_request(good, "birds"), Code.NOT_FOUND, "there is no profile 'birds'"),
        (explain_request(good, "old"), Code.FAILED_PRECONDITION, "profile old@1 was fitted before"),
    ):
        assert (await refusal(stub.ExplainEmbeddings(request)))[0] == code
        assert (await refusal(stub.ExplainEmbeddings(request)))[1].startswith(problem)
    for request, code, problem in (
        (map_request(good * 1001), Code.INVALID_ARGUMENT, "1001 embeddings; a map has at most 1,0"),
        (map_request(other_encoder), Code.FAILED_PRECONDITION, "profile landscapes@1 takes"),
        (map_request(other_precision), Code.FAILED_PRECONDITION, "profile landscapes@1 was"),
        (map_request(good, "birds"), Code.NOT_FOUND, "there is no profile 'birds'"),
        (map_request(good, "old"), Code.FAILED_PRECONDITION, "profile old@1 was fitted before"),
    ):
        assert (await refusal(stub.MapEmbeddings(request)))[0] == code
        assert (await refusal(stub.MapEmbeddings(request)))[1].startswith(problem)


async def test_damaged_liked_images_are_named(stub, settings, tmp_path):
    """Scores do not need them."""
    folder = tmp_path / "artifacts" / "profiles" / "landscapes" / "1"
    (folder / "liked.npy").write_bytes(b"")
    code, details = await refusal(stub.ExplainEmbeddings(explain_request(messages(ROWS[:1]))))
    assert code == Code.FAILED_PRECONDITION
    assert "landscapes@1 is damaged: liked.npy" in details
    await stub.ScoreEmbeddings(score_request(messages(ROWS)))


async def test_a_map_shows_liked_images_background_and_given_ones(stub):
    """In this order; near points are similar images, and each has its log-likelihood."""
    given = np.concatenate([unit_rows(4, seed=7), unit_rows(4, centre=3, seed=8)])
    points = await draw(stub, messages(given))
    roles = [point.role for point in points]
    assert roles == (
        [pb.MAP_ROLE_LIKED] * 40 + [pb.MAP_ROLE_BACKGROUND] * 25 + [pb.MAP_ROLE_GIVEN] * 8
    )
    assert [point.position for point in points] == [*range(40), *range(25), *range(8)]
    places = np.array([(point.x, point.y) for point in points])
    assert np.abs(places).max() == pytest.approx(1.0)
    centres = places[:40].mean(axis=0), places[40:65].mean(axis=0)
    to_liked, to_others = (np.linalg.norm(places[65:] - centre, axis=1) for centre in centres)
    assert (to_liked < to_others).tolist() == [True] * 4 + [False] * 4
    scores = (await stub.ScoreEmbeddings(score_request(messages(given)))).results
    assert [point.log_likelihood for point in points[65:]] == pytest.approx(
        [score.value.log_likelihood for score in scores]
    )
    request = pb.ListLikedImagesRequest(profile="landscapes")
    images = [answer.image async for answer in stub.ListLikedImages(request)]
    assert [point.log_likelihood for point in points[:40]] == [
        image.held_out_log_likelihood for image in images[:40]
    ]


async def test_the_same_map_is_drawn_again(stub):
    """With nothing given, too; from 8 images on."""
    assert await draw(stub) == await draw(stub)
    await fit(stub, liked(messages(unit_rows(8))), name="few", request_id="few")
    points = await draw(stub, profile="few")
    assert len(points) == 8
    assert len({(point.x, point.y) for point in points}) == 8


async def test_maps_are_bounded(settings, monkeypatch):
    """One is drawn at a time; what is too much is told to come again, and scores do not wait."""
    drawn, open_gate = threading.Event(), threading.Event()

    def slow_map(embeddings):
        drawn.set()
        assert open_gate.wait(30)
        return np.zeros((len(embeddings), 2))

    monkeypatch.setattr(novelty_main, "map_embeddings", slow_map)
    limited = settings.model_copy(update={"map_limit": 1})
    async with serving(await build(limited), limited) as channel:
        stub = NoveltyServiceStub(channel)
        await fit(stub)
        first = asyncio.ensure_future(stub.MapEmbeddings(map_request()))
        assert await asyncio.to_thread(drawn.wait, 30)
        code, details = await refusal(stub.MapEmbeddings(map_request()))
        assert (code, "the map queue is full" in details) == (Code.RESOURCE_EXHAUSTED, True)
        await stub.ScoreEmbeddings(score_request(messages(ROWS)))
        open_gate.set()
        assert len((await first).points) == 40
