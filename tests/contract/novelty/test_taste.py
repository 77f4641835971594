from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lodestone.image.v1 import verdict_pb2
from lodestone.novelty.v1 import novelty_service_pb2 as pb
from lodestone.novelty.v1 import profile_pb2
from lodestone.novelty.v1.novelty_service_pb2_grpc import NoveltyServiceStub
from services.novelty.__main__ import build
from tests.contract.novelty.calls import background, fit, liked, messages, score_request
from tests.fakes.serving import serving
from tests.novelty.tastes import unit_rows

ROOT = Path(__file__).parents[3]
ACCEPTED = verdict_pb2.VERDICT_ACCEPTED


async def scores(stub, rows, profile="landscapes"):
    results = []
    for start in range(0, len(rows), 1000):
        request = score_request(messages(rows[start : start + 1000]), profile)
        results += (await stub.ScoreEmbeddings(request)).results
    return [result.value for result in results]


async def share_passing(stub, rows, profile):
    return np.mean([score.verdict == ACCEPTED for score in await scores(stub, rows, profile)])


async def test_each_way_to_set_the_threshold_keeps_its_word(stub):
    """A keep ratio holds for unseen liked images, a pass ratio for unseen others, a stated threshold stays as it is."""
    rows, others = unit_rows(400, 32), unit_rows(400, 32, centre=1, seed=1)
    unseen, elsewhere = unit_rows(2000, 32, seed=2), unit_rows(2000, 32, centre=1, seed=3)
    parts = (liked(messages(rows[:200])), liked(messages(rows[200:])), background(messages(others)))
    for name, ways in {"default": {}, "half": {"keep_ratio": 0.5}}.items():
        await fit(stub, *parts, name=name, request_id=name, **ways)
        wanted = ways.get("keep_ratio", 0.95)
        assert await share_passing(stub, unseen, name) == pytest.approx(wanted, abs=0.06)
    profile = await fit(stub, *parts, name="pass", request_id="pass", pass_ratio=0.2)
    assert await share_passing(stub, elsewhere, "pass") == pytest.approx(0.2, abs=0.06)
    assert profile.expected_pass.low < 0.2 < profile.expected_pass.high
    stated = await fit(stub, *parts, name="stated", request_id="stated", threshold_nats=12.25)
    assert stated.threshold_nats == 12.25
    for score in await scores(stub, unseen[:100], "stated"):
        assert (score.log_likelihood >= 12.25) == (score.verdict == ACCEPTED)


async def test_what_is_expected_to_pass_passes(stub):
    """Over 20 profiles, the share of unseen liked images that pass lies in the stated interval in 18 or more."""
    inside = 0
    for draw in range(20):
        name = f"draw-{draw}"
        profile = await fit(
            stub, liked(messages(unit_rows(40, seed=draw))), name=name, request_id=name
        )
        share = await share_passing(stub, unit_rows(1000, seed=100 + draw), name)
        inside += profile.expected_keep.low <= share <= profile.expected_keep.high
    assert inside >= 18


@pytest.mark.parametrize("dimension", [16, 48])
async def test_percentiles_hold_for_every_refit_and_encoder(stub, dimension):
    """Of unseen liked images at most p % get p or less on average, for small, large and wide profiles alike."""
    shares = []
    for draw in range(15):
        name = f"draw-{draw}"
        count = (20, 40, 80)[draw % 3]
        rows = unit_rows(count, dimension, seed=draw)
        await fit(stub, liked(messages(rows)), name=name, request_id=name)
        unseen = await scores(stub, unit_rows(500, dimension, seed=100 + draw), name)
        percentiles = np.array([score.percentile for score in unseen])
        assert percentiles.min() >= 100.0 / (count + 1)
        assert percentiles.max() <= 100.0
        shares.append([np.mean(percentiles <= p) for p in (10, 25, 50, 90)])
    for share, p in zip(np.mean(shares, axis=0), (10, 25, 50, 90), strict=True):
        assert 100 * share == pytest.approx(p, abs=8)
        assert 100 * share <= p + 3


async def test_a_mixture_that_is_worse_than_the_nearest_liked_images(stub):
    """Both AUCs are there, and the warning names them."""
    rows = np.concatenate([unit_rows(12, 8, centre=axis, seed=axis) for axis in range(3)])
    between = unit_rows(7, 8) * 0.1 + np.eye(3, 8).sum(axis=0)
    between /= np.linalg.norm(between, axis=1, keepdims=True)
    parts = (liked(messages(rows)), background(messages(between)))
    profile = await fit(stub, *parts, component_count=1, covariance=profile_pb2.COVARIANCE_DIAG)
    assert profile.separation < profile.neighbour_separation
    (warning,) = [one for one in profile.warnings if "five nearest liked images" in one]
    assert f"AUC {profile.neighbour_separation:.3f} against {profile.separation:.3f}" in warning


async def test_a_degenerate_fit_is_simplified_and_said(stub):
    """A full covariance knows 40 images of 64 coordinates by heart; a number of components that was asked for stays."""
    full = profile_pb2.COVARIANCE_FULL
    rows = liked(messages(unit_rows(40, 64)))
    profile = await fit(stub, rows, covariance=full)
    assert (profile.covariance, profile.component_count) == (profile_pb2.COVARIANCE_DIAG, 1)
    assert profile.warnings[0].startswith("1 full components made a degenerate fit")
    asked = await fit(stub, rows, covariance=full, component_count=2, request_id="two")
    assert (asked.covariance, asked.component_count) == (full, 2)
    assert any("is degenerate" in warning for warning in asked.warnings)


FIT = """
import hashlib, sys
import numpy as np
from services.novelty.fit.fitting import fit_taste
from tests.novelty.tastes import liked_set, options, unit_rows
rows = np.concatenate([unit_rows(200), unit_rows(200, centre=1, seed=1)])
taste = fit_taste(liked_set(rows, unit_rows(50, centre=2)), options(seed=int(sys.argv[1])))
digest = hashlib.sha256(repr((taste.threshold_nats, taste.separation, taste.warnings)).encode())
for array in (taste.mixture.weights, taste.mixture.means, taste.mixture.precisions_cholesky,
              taste.held_out_log_likelihoods, taste.background_log_likelihoods):
    digest.update(array.tobytes())
print(digest.hexdigest())
"""


def digest_of_a_fit(seed, **environment):
    command = (sys.executable, "-c", FIT, str(seed))
    finished = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), **environment}, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    return finished.stdout.strip()


def test_a_seed_decides_everything_in_every_process():
    """Whatever the process's hash seed and number of threads, bit for bit; another seed draws otherwise."""
    one = digest_of_a_fit(3, PYTHONHASHSEED="1", OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
    assert digest_of_a_fit(3, PYTHONHASHSEED="2", OPENBLAS_NUM_THREADS="2") == one
    assert digest_of_a_fit(4) != one


async def test_the_same_request_makes_the_same_profile_on_two_servers(settings, tmp_path):
    """The stored arrays are the same bytes."""
    stored = []
    for name in ("one", "two"):
        own = settings.model_copy(update={"data": tmp_path / name})
        async with serving(await build(own), own) as channel:
            await fit(NoveltyServiceStub(channel), liked(messages(unit_rows(130))), seed=5)
        folder = own.data / "artifacts" / "profiles" / "landscapes" / "1"
        stored.append((folder / "profile.npz").read_bytes())
    assert stored[0] == stored[1]


async def test_the_least_and_the_most_that_a_fit_takes(stub, settings):
    """Eight images are enough, and a server takes 300,000 unless told otherwise."""
    assert (await fit(stub, liked(messages(unit_rows(8))))).liked_count == 8
    assert settings.fit_max_embeddings == 300_000
    assert len((await stub.ListProfiles(pb.ListProfilesRequest())).profiles) == 1
