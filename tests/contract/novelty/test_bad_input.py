from __future__ import annotations

import hashlib
import io
import json
import math
import os
import pickle
import zipfile

import grpc
import numpy as np
import pytest

from lodestone.image.v1 import embedding_pb2
from lodestone.novelty.v1 import novelty_service_pb2 as pb
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
from tests.novelty.tastes import ENCODER_ID, OTHER_ENCODER_ID, unit_rows

INVALID = grpc.StatusCode.INVALID_ARGUMENT
DAMAGED = grpc.StatusCode.FAILED_PRECONDITION
FP16 = embedding_pb2.PRECISION_FP16
ROWS = unit_rows(12)
PROBE = score_request(messages(unit_rows(20, seed=9)))


@pytest.fixture
async def stub(stub):
    """Of a server that has `landscapes`."""
    await fit(stub, request_id="served")
    return stub


async def get(stub, profile):
    return (await stub.GetProfile(pb.GetProfileRequest(profile=profile))).profile


def near(row, cosine, seed=0):
    """A unit vector at that cosine to a row: the same picture, saved again."""
    away = np.random.default_rng(seed).normal(size=row.size)
    away -= (away @ row) * row
    away /= np.linalg.norm(away)
    return (cosine * row + (1 - cosine**2) ** 0.5 * away).astype(np.float32)


def odd(**changes):
    return liked([*messages(ROWS), message(ROWS[0], **changes)])


def odd_values(values):
    return liked([*messages(ROWS), message(values)])


REFUSED = {
    "none": ([], "a profile needs 8 liked images at least, and there are 0"),
    "seven": ([liked(messages(ROWS[:7]))], "a profile needs 8 liked images at least, and there are 7"),
    "all identical": ([liked(messages(ROWS[[0] * 12]))], "8 different liked images at least, and there are 1: 11"),
    "seven and a copy": (
        [liked(messages(ROWS[[0, 1, 2, 3, 4, 5, 6, 3]]))], "and there are 7: 1 more repeat one of them",
    ),
    "seven and one saved again": (
        [liked([*messages(ROWS[:7]), message(near(ROWS[3], 0.995))])], "and there are 7: 1 more repeat",
    ),
    "NaN": ([odd_values([math.nan] * 16)], "liked[12]: the L2 norm"),
    "one NaN": ([odd_values([*ROWS[0][:15], math.nan])], "liked[12]: the L2 norm"),
    "infinity": ([odd_values([math.inf, *[0] * 15])], "liked[12]: the L2 norm"),
    "minus infinity": ([odd_values([-math.inf, *[0] * 15])], "liked[12]: the L2 norm"),
    "zeros": ([odd_values([0] * 16)], "liked[12]: the L2 norm"),
    "not of norm 1": ([odd_values(2 * ROWS[0])], "liked[12]: the L2 norm"),
    "too short": ([odd_values(unit_rows(1, 8)[0])], "liked[12]: it has 8 values, and 16 before it"),
    "too long": ([odd_values(unit_rows(1, 32)[0])], "liked[12]: it has 32 values, and 16 before it"),
    "no values": ([odd_values([])], "liked[12]: the L2 norm of its 0 values"),
    "another encoder": (
        [odd(encoder_id=OTHER_ENCODER_ID)],
        f"liked[12]: its encoder id is '{OTHER_ENCODER_ID}', and '{ENCODER_ID}' before it",
    ),
    "no encoder": ([odd(encoder_id="")], "liked[12]: its encoder id is '', not 64 hex digits"),
    "another precision": ([odd(precision=FP16)], "liked[12]: its precision is FP16, and FP32 before it"),
    "no precision": ([odd(precision=0)], "liked[12]: its precision is not stated"),
    "another dimension in the background": (
        [liked(messages(ROWS)), background(messages(unit_rows(9, 8)))], "background[0]: it has 8 values",
    ),
    "another encoder in the background": (
        [liked(messages(ROWS)), background(messages(ROWS, encoder_id=OTHER_ENCODER_ID))],
        "background[0]: its encoder id is",
    ),
    "NaN in the background": (
        [liked(messages(ROWS)), background([message(ROWS[0] * np.nan)])], "background[0]: the L2 norm",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("parts", "problem"), REFUSED.values(), ids=REFUSED.keys())
async def test_a_fit_that_is_refused(stub, parts, problem):
    """One line says what is wrong and where; the served profile, its scores and its version stay."""
    before, scores = await get(stub, "landscapes"), await stub.ScoreEmbeddings(PROBE)
    code, details = await refusal(fit(stub, *(parts or [liked([])])))
    assert code is INVALID
    assert problem in details
    assert "\n" not in details
    assert await get(stub, "landscapes") == before
    assert await stub.ScoreEmbeddings(PROBE) == scores
    listing = (await stub.ListProfiles(pb.ListProfilesRequest())).profiles
    assert [(one.name, one.version) for one in listing] == [("landscapes", 1)]
    assert (await fit(stub)).version == 2


@pytest.mark.parametrize("count", [8, 18, 29])
async def test_a_small_profile_states_its_wide_interval(stub, count):
    """Under 30 images the warning has the interval of the share that passes, wider than that of 60; not from 30 on."""
    small = await fit(stub, liked(messages(unit_rows(count))), request_id="small")
    keep = small.expected_keep
    assert f"{count} liked images make a small profile" in small.warnings[0]
    assert f"{keep.low:.1%} to {keep.high:.1%} (with 95 % confidence)" in small.warnings[0]
    large = await fit(stub, liked(messages(unit_rows(60))), request_id="large")
    assert not large.warnings
    assert keep.high - keep.low > large.expected_keep.high - large.expected_keep.low
    assert not (await fit(stub, liked(messages(unit_rows(30))), request_id="enough")).warnings


async def test_duplicates_and_near_duplicates_count_once_and_are_listed(stub):
    """The same picture twice, and saved again, changes nothing but what is said of it."""
    rows = unit_rows(40, 64)
    again = [rows[7], near(rows[7], 0.992), near(rows[20], 0.995, seed=1), near(rows[30], 0.98)]
    plain = await fit(stub, liked(messages([*rows, again[3]])), name="plain", request_id="plain")
    parts = liked(messages([*rows, *again]))
    profile = await fit(stub, parts, name="twice", request_id="twice")
    assert [(one.position, one.duplicate_of) for one in profile.duplicates] == [
        (40, 7),
        (41, 7),
        (42, 20),
    ]
    assert (profile.liked_count, profile.duplicate_count) == (41, 3)
    assert "3 of 44 liked images repeat another one" in profile.warnings[0]
    assert profile.threshold_nats == plain.threshold_nats
    assert profile.held_out_log_likelihoods == plain.held_out_log_likelihoods
    probe = messages(unit_rows(5, 64, seed=3))
    one, other = [
        [
            result.value.log_likelihood
            for result in (await stub.ScoreEmbeddings(score_request(probe, name))).results
        ]
        for name in ("plain", "twice")
    ]
    assert one == other


@pytest.mark.parametrize("what", ["dimension", "encoder", "precision"])
async def test_scores_of_what_does_not_belong_here(stub, what):
    """An embedding of another kind is not scored, and those that belong still are."""
    good = unit_rows(1)[0]
    changes = {"encoder": {"encoder_id": OTHER_ENCODER_ID}, "precision": {"precision": FP16}}
    if what == "dimension":
        request = score_request([message(good), message(unit_rows(1, 8)[0])])
        first, second = (await stub.ScoreEmbeddings(request)).results
        assert first.HasField("value")
        assert second.rejection.reason == "it has 8 values, and profile landscapes@1 takes 16"
    else:
        request = score_request([message(good), message(good, **changes[what])])
        code, details = await refusal(stub.ScoreEmbeddings(request))
        assert code is DAMAGED
        assert "landscapes@1" in details
    answer = await stub.ScoreEmbeddings(PROBE)
    assert all(result.HasField("value") for result in answer.results)


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def npy(array):
    content = io.BytesIO()
    np.save(content, array, allow_pickle=True)
    return content.getvalue()


def npz(members, compression=zipfile.ZIP_STORED):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, value in members.items():
            archive.writestr(f"{name}.npy", value)
    return content.getvalue()


def members_of(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name.removesuffix(".npy"): archive.read(name) for name in archive.namelist()}


def claims_much(_array):
    """A header of 8 TB in front of 16 bytes."""
    shape = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}"
    text = shape.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(16)


FORGED = {
    "a pickle": lambda good, ran: pickle.dumps(Bomb(ran)),
    "a pickle in an array's place": lambda good, ran: npz(members_of(good) | {"means": pickle.dumps(Bomb(ran))}),
    "an object array": lambda good, ran: npz(
        members_of(good) | {"means": npy(np.array([Bomb(ran), None], dtype=object))}
    ),
    "a zip bomb": lambda good, ran: npz(members_of(good) | {"means": bytes(50_000_000)}, zipfile.ZIP_DEFLATED),
    "a header that claims terabytes": lambda good, ran: npz(members_of(good) | {"means": claims_much(good)}),
    "a wrong shape": lambda good, ran: npz(members_of(good) | {"means": npy(np.ones((1, 15)))}),
    "a wrong type": lambda good, ran: npz(members_of(good) | {"means": npy(np.ones((1, 16), np.float32))}),
    "NaN": lambda good, ran: npz(members_of(good) | {"means": npy(np.full((1, 16), np.nan))}),
    "infinity": lambda good, ran: npz(members_of(good) | {"precisions_cholesky": npy(np.full((1, 16), np.inf))}),
    "a variance under nought": lambda good, ran: npz(
        members_of(good) | {"precisions_cholesky": npy(np.full((1, 16), -1.0))}
    ),
    "one array more": lambda good, ran: npz(members_of(good) | {"more": npy(np.ones(1))}),
    "one array less": lambda good, ran: npz({k: v for k, v in members_of(good).items() if k != "means"}),
    "half of it": lambda good, ran: good[: len(good) // 2],
    "nothing": lambda good, ran: b"",
}  # fmt: skip


def put_forged(settings, forge):
    """In the place of the arrays of landscapes@2, with the digest that makes them look right."""
    folder = settings.data / "artifacts" / "profiles" / "landscapes" / "2"
    hostile = forge((folder / "profile.npz").read_bytes())
    facts = json.loads((folder / "profile.json").read_text())
    facts["sha256"] = hashlib.sha256(hostile).hexdigest()
    (folder / "profile.npz").write_bytes(hostile)
    (folder / "profile.json").write_text(json.dumps(facts))


async def test_the_file_that_the_hostile_ones_differ_from(stub, settings):
    """The forgery itself is sound: with the arrays as they were it is served."""
    await fit(stub, liked(messages(unit_rows(30, seed=5))))
    newest = await stub.ScoreEmbeddings(PROBE)
    put_forged(settings, lambda good: npz(members_of(good)))
    async with serving(await build(settings), settings) as channel:
        assert await NoveltyServiceStub(channel).ScoreEmbeddings(PROBE) == newest


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
async def test_a_hostile_profile_file(stub, settings, tmp_path, forge):
    """With a digest that fits it is one clear line, nothing runs, and what was served before stays."""
    before = await stub.ScoreEmbeddings(PROBE)
    assert (await fit(stub, liked(messages(unit_rows(30, seed=5))))).version == 2
    newest = await stub.ScoreEmbeddings(PROBE)
    put_forged(settings, lambda good: forge(good, tmp_path / "ran"))
    assert await stub.ScoreEmbeddings(PROBE) == newest
    async with serving(await build(settings), settings) as channel:
        other = NoveltyServiceStub(channel)
        code, details = await refusal(other.ScoreEmbeddings(PROBE))
        assert code is DAMAGED
        assert details.startswith("profile landscapes@2 is damaged: profile.npz cannot be used: ")
        assert details.endswith("or ask for landscapes@1")
        assert "\n" not in details
        assert await refusal(get(other, "landscapes")) == (code, details)
        older = pb.ScoreEmbeddingsRequest(profile="landscapes@1", embeddings=PROBE.embeddings)
        assert await other.ScoreEmbeddings(older) == before
        assert (await fit(other, request_id="three")).version == 3
        assert (await other.ScoreEmbeddings(PROBE)).results[0].value.profile_version == 3
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"\xff\xfe", b"[" * 100_000, pickle.dumps({"name": "landscapes"}), b" " * 2**21],
    ids=["empty", "no fields", "a list", "no text", "100,000 deep", "a pickle", "over the limit"],
)  # fmt: skip
async def test_hostile_facts(stub, settings, content):
    """A profile.json of any kind is one clear line; the other profiles stay."""
    await fit(stub, name="birds", request_id="birds")
    path = settings.data / "artifacts" / "profiles" / "birds" / "1" / "profile.json"
    path.write_bytes(content)
    async with serving(await build(settings), settings) as channel:
        other = NoveltyServiceStub(channel)
        code, details = await refusal(get(other, "birds"))
        assert code is DAMAGED
        assert details.startswith("profile birds@1 is damaged: profile.json ")
        assert "\n" not in details
        assert await other.ScoreEmbeddings(PROBE) == await stub.ScoreEmbeddings(PROBE)


def rows_of(count, dimension=16):
    return unit_rows(count, dimension)


HOSTILE_LIKED = {
    "a pickle": ("liked.npy", lambda ran: pickle.dumps(Bomb(ran))),
    "an object array": ("liked.npy", lambda ran: npy(np.array([Bomb(ran), None], dtype=object))),
    "a wrong shape": ("liked.npy", lambda ran: npy(rows_of(39))),
    "a wrong type": ("liked.npy", lambda ran: npy(rows_of(40).astype(np.float64))),
    "a header that claims terabytes": ("liked.npy", claims_much),
    "NaN": ("liked.npy", lambda ran: npy(np.full((40, 16), np.nan, np.float32))),
    "rows of no norm": ("liked.npy", lambda ran: npy(np.zeros((40, 16), np.float32))),
    "a background of no norm": ("background.npy", lambda ran: npy(np.zeros((9, 16), np.float32))),
    "no JSON": ("liked.json", lambda ran: b"{"),
    "JSON 100,000 deep": ("liked.json", lambda ran: b"[" * 100_000),
    "JSON without its fields": ("liked.json", lambda ran: b"{}"),
    "labels for other images": (
        "liked.json", lambda ran: b'{"digests":[],"names":[],"held_out_log_likelihoods":[],"originals":[]}',
    ),
    "labels over the limit": ("liked.json", lambda ran: b" " * 2**20),
}  # fmt: skip
DIGEST_OF = {"liked.npy": "embeddings", "background.npy": "background", "liked.json": "labels"}


@pytest.mark.parametrize(("name", "make"), HOSTILE_LIKED.values(), ids=HOSTILE_LIKED.keys())
async def test_hostile_files_of_the_liked_images(stub, settings, tmp_path, name, make):
    """With a digest that fits they are one clear line to who asks for them; scores are as before, and nothing runs."""
    parts = (liked(messages(unit_rows(40))), background(messages(unit_rows(9, centre=3))))
    await fit(stub, *parts, name="birds", request_id="birds")
    request = pb.ScoreEmbeddingsRequest(profile="birds", embeddings=PROBE.embeddings)
    before = await stub.ScoreEmbeddings(request)
    folder = settings.data / "artifacts" / "profiles" / "birds" / "1"
    hostile = make(tmp_path / "ran")
    facts = json.loads((folder / "profile.json").read_text())
    facts["liked"][DIGEST_OF[name]] = hashlib.sha256(hostile).hexdigest()
    (folder / name).write_bytes(hostile)
    (folder / "profile.json").write_text(json.dumps(facts))
    async with serving(await build(settings), settings) as channel:
        other = NoveltyServiceStub(channel)
        code, details = await refusal(liked_images(other, "birds"))
        assert code is DAMAGED
        assert details.startswith(f"profile birds@1 is damaged: {name} ")
        assert "\n" not in details
        assert await refusal(fit(other, base_profile="birds", request_id="more")) == (code, details)
        assert await other.ScoreEmbeddings(request) == before
        assert len(await liked_images(other, "landscapes")) == 40
    assert not (tmp_path / "ran").exists()


async def liked_images(stub, profile):
    request = pb.ListLikedImagesRequest(profile=profile)
    return [answer.image async for answer in stub.ListLikedImages(request)]
