from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from services.crawler.judging.precision_check import OtherEncoder, OtherPrecision, PrecisionCheck
from services.crawler.profile_facts import PrecisionFinding
from services.servicekit.embedding import Precision
from services.servicekit.errors import FailedPrecondition, InvalidInput, ItemRejected, Unavailable
from services.servicekit.rejection import RejectionCode
from tests.crawler.precision_services import PROFILE, PrecisionServices, made
from tests.crawler.subjects import ENCODER_ID, embedding


async def test_its_own_precision_needs_no_comparison():
    """Nothing is embedded and nothing compared."""
    services = PrecisionServices()
    await PrecisionCheck(services, services).require(PROFILE, made(Precision.FP32))
    assert services.embedded == services.compared == []


async def test_another_precision_is_compared_once():
    """Many candidates at once lead to one comparison of all thumbnails; what was found stands from then on."""
    services = PrecisionServices()
    check = PrecisionCheck(services, services)
    await asyncio.gather(*(check.require(PROFILE, made(Precision.BF16)) for _ in range(20)))
    await check.require(PROFILE, made(Precision.BF16))
    assert services.embedded == [[b"first", b"second"]]
    assert [[one.precision for one in asked] for asked in services.compared] == [
        [Precision.BF16] * 2
    ]


async def test_what_another_crawler_found_is_not_asked_again():
    """The profile tells of the comparison."""
    services = PrecisionServices()
    services.findings = (PrecisionFinding(Precision.BF16, 64, 0, 0.1, 0.01, True),)
    await PrecisionCheck(services, services).require(PROFILE, made(Precision.BF16))
    assert services.embedded == []


async def test_verdicts_that_moved_are_refused_with_the_shift():
    """Each time, by one comparison; the error has its numbers and says what to do."""
    services = PrecisionServices(moved=1)
    check = PrecisionCheck(services, services)
    for _ in range(2):
        with pytest.raises(OtherPrecision) as caught:
            await check.require(PROFILE, made(Precision.BF16))
        assert str(caught.value) == (
            "landscapes@2 was fitted to FP32, not BF16: 1 of its 2 thumbnails get another verdict in it, with "
            "log-likelihoods moved by up to 12.3 nats (median 0.5), which moves 2.1% of the verdicts on new liked "
            "images; `lodestone profile refit landscapes --photos DIR` embeds its photos again"
        )
        assert (caught.value.wanted, caught.value.found) == (Precision.FP32, Precision.BF16)
        assert caught.value.finding == services.findings[0]
    assert len(services.compared) == 1


async def test_another_encoder_is_refused():
    """Whatever its precision: there is nothing to compare."""
    services = PrecisionServices()
    other = replace(embedding(), encoder_id="f" * 64)
    with pytest.raises(OtherEncoder) as caught:
        await PrecisionCheck(services, services).require(PROFILE, other)
    assert (caught.value.wanted, caught.value.found) == (ENCODER_ID, "f" * 64)
    assert services.embedded == []


async def test_a_profile_without_thumbnails_is_refused():
    """There is nothing to tell by, and the error says so."""
    services = PrecisionServices()
    services.files = []
    with pytest.raises(
        OtherPrecision, match="keeps no thumbnails .* profile refit landscapes --photos DIR"
    ):
        await PrecisionCheck(services, services).require(PROFILE, made(Precision.BF16))
    assert services.compared == []


@pytest.mark.parametrize(
    "failure",
    [
        FailedPrecondition("it was fitted before profiles kept their liked images"),
        ItemRejected(RejectionCode.CORRUPT, "the file does not decode"),
    ],
)
async def test_thumbnails_that_cannot_be_had(failure):
    """An old profile, or a thumbnail that does not decode, is no rejection of the candidate."""

    async def fail(_):
        raise failure

    services = PrecisionServices()
    services.embed_files = fail
    with pytest.raises(OtherPrecision) as caught:
        await PrecisionCheck(services, services).require(PROFILE, made(Precision.BF16))
    assert str(failure) in str(caught.value)


@pytest.mark.parametrize(
    "failure",
    [
        FailedPrecondition("it keeps 3 thumbnails, and 8 at least are needed"),
        InvalidInput("embeddings[1]: its cosine similarity to the thumbnail's own is 0.52"),
    ],
)
async def test_what_cannot_be_compared(failure):
    """Too few thumbnails, or embeddings that cannot be theirs: a refusal with the reason and the cure."""

    async def refuse(profile, embeddings):
        raise failure

    services = PrecisionServices()
    services.check_precision = refuse
    with pytest.raises(OtherPrecision, match="profile refit landscapes --photos DIR") as caught:
        await PrecisionCheck(services, services).require(PROFILE, made(Precision.BF16))
    assert str(failure) in str(caught.value)


async def test_what_is_not_served_cannot_be_compared():
    """A recorded embedding of a precision that nobody serves now: refused, and no thumbnail is embedded for it."""
    services = PrecisionServices()
    with pytest.raises(OtherPrecision, match="cannot be found out while BF16 is served"):
        await PrecisionCheck(services, services).require(PROFILE, made(Precision.FP16))
    assert services.embedded == []


async def test_an_embedder_that_changes_meanwhile():
    """It came back with another precision while thumbnails were embedded: try again, and nothing is kept."""

    async def embed_files(files):
        return [made(Precision.FP16) for _ in files]

    services = PrecisionServices()
    services.embed_files = embed_files
    with pytest.raises(Unavailable):
        await PrecisionCheck(services, services).require(PROFILE, made(Precision.BF16))
    assert services.findings == ()


async def test_a_service_that_is_away_is_asked_again():
    """Unavailable passes through, and the next candidate compares."""

    async def away(profile, embeddings):
        raise Unavailable("the novelty service", "it is shutting down")

    services = PrecisionServices()
    check, services.check_precision = PrecisionCheck(services, services), away
    with pytest.raises(Unavailable):
        await check.require(PROFILE, made(Precision.BF16))
    del services.check_precision
    await check.require(PROFILE, made(Precision.BF16))
    assert len(services.compared) == 1
