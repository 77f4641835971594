"""Lets a profile judge embeddings of another precision than its own, if its thumbnails show that no verdict moves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from services.crawler.judgement import ProfileVersion
from services.crawler.profile_facts import PrecisionFinding, ProfileFacts
from services.servicekit.embedding import Embedding, Precision
from services.servicekit.errors import FailedPrecondition, InvalidInput, ItemRejected, Unavailable


class MadeBy(Protocol):
    """What has an encoder id and a precision: an embedding, or the encoder that is served."""

    @property
    def encoder_id(self) -> str:
        """64 hex digits."""

    @property
    def precision(self) -> Precision:
        """The number format that it computes in, or was computed in."""


class OtherEncoder(FailedPrecondition):
    """A profile was fitted to embeddings of another encoder.

    Attributes:
        profile: Which one.
        wanted: The encoder id that it takes.
        found: The encoder id that there is.
    """

    def __init__(self, profile: ProfileVersion, *, wanted: str, found: str) -> None:
        super().__init__(f"{profile} was fitted with encoder {wanted}, but {found} is served")
        self.profile = profile
        self.wanted = wanted
        self.found = found


class OtherPrecision(FailedPrecondition):
    """A profile does not take embeddings of this precision, or nobody knows whether it may.

    Attributes:
        profile: Which one.
        wanted: The precision that it was fitted in.
        found: The other one.
        finding: What the comparison has shown; None without one.
    """

    def __init__(
        self,
        facts: ProfileFacts,
        found: Precision,
        why: str,
        finding: PrecisionFinding | None = None,
    ) -> None:
        super().__init__(f"{facts.profile} was fitted to {facts.precision}, not {found}: {why}")
        self.profile = facts.profile
        self.wanted = facts.precision
        self.found = found
        self.finding = finding


class FactServices(Protocol):
    """Says what is served."""

    async def profile(self, name: str) -> ProfileFacts:
        """A profile by `landscapes` or `landscapes@3`."""

    async def encoder(self) -> MadeBy:
        """The encoder that is served."""


class ThumbnailServices(Protocol):
    """Has to do with the thumbnails of a profile's liked images."""

    async def thumbnails(self, profile: ProfileVersion) -> list[bytes]:
        """All that a profile has: JPEGs, by position; none may be there."""

    async def embed_files(self, files: Sequence[bytes]) -> list[Embedding]:
        """Embeds up to 64 files with the encoder that is served."""

    async def check_precision(
        self, profile: ProfileVersion, embeddings: Sequence[Embedding]
    ) -> PrecisionFinding:
        """Compares the thumbnails' embeddings in another precision with those in the profile's own.

        Raises FailedPrecondition for too few of them, and InvalidInput for what cannot be theirs.
        """


class PrecisionCheck:
    """Asks once for each profile version and precision. Belongs to one event loop.

    The novelty service keeps what was found: another crawler, or this one after a restart, need not ask again.
    """

    def __init__(self, facts: FactServices, thumbnails: ThumbnailServices) -> None:
        self._facts = facts
        self._thumbnails = thumbnails
        self._admitted: set[tuple[ProfileVersion, str, Precision]] = set()
        self._checking = asyncio.Lock()

    async def require(self, profile: ProfileVersion, made_by: MadeBy) -> None:
        """Passes what the profile takes; where that is not known, compares its thumbnails first.

        Raises:
            OtherEncoder: It is of another encoder.
            OtherPrecision: Verdicts moved, or there is nothing to tell by.
            NotFound: There is no such profile.
            Unavailable: The novelty service or the embedder is away.
        """
        key = (profile, made_by.encoder_id, made_by.precision)
        if key in self._admitted:
            return
        facts = await self._facts.profile(str(profile))
        if facts.encoder_id != made_by.encoder_id:
            raise OtherEncoder(profile, wanted=facts.encoder_id, found=made_by.encoder_id)
        if facts.precision is not made_by.precision:
            finding = await self._finding(facts, made_by.precision)
            if not finding.admitted:
                raise OtherPrecision(facts, made_by.precision, _moved(facts, finding), finding)
        self._admitted.add(key)

    async def _finding(self, facts: ProfileFacts, precision: Precision) -> PrecisionFinding:
        if (known := facts.finding(precision)) is not None:
            return known
        async with self._checking:
            # Somebody may have asked while this one waited.
            facts = await self._facts.profile(str(facts.profile))
            return facts.finding(precision) or await self._compare(facts, precision)

    async def _compare(self, facts: ProfileFacts, precision: Precision) -> PrecisionFinding:
        served = (await self._facts.encoder()).precision
        if served is not precision:
            why = f"whether it takes that is not known, and cannot be found out while {served} is served"
            raise OtherPrecision(facts, precision, why)
        embeddings = await self._embed_thumbnails(facts, precision)
        try:
            finding = await self._thumbnails.check_precision(facts.profile, embeddings)
        except (FailedPrecondition, InvalidInput) as error:
            # Too few of them, or embeddings so far off that they are taken for those of other images.
            raise OtherPrecision(facts, precision, f"{error}; {_cure(facts)}") from error
        structlog.get_logger().info(
            "precision_checked",
            profile=str(facts.profile),
            precision=precision.value,
            admitted=finding.admitted,
            moved_count=finding.moved_count,
            max_shift_nats=finding.max_shift_nats,
        )
        return finding

    async def _embed_thumbnails(
        self, facts: ProfileFacts, precision: Precision
    ) -> Sequence[Embedding]:
        try:
            files = await self._thumbnails.thumbnails(facts.profile)
            embeddings = await self._thumbnails.embed_files(files) if files else []
        except (FailedPrecondition, ItemRejected) as error:
            # Of a thumbnail that cannot be read, a rejection is not the candidate's.
            why = f"{error}; `lodestone profile fit` fits it again"
            raise OtherPrecision(facts, precision, why) from error
        if not embeddings:
            why = f"it keeps no thumbnails to compare the two with; {_cure(facts)}"
            raise OtherPrecision(facts, precision, why)
        if any(one.precision is not precision for one in embeddings):
            dependency = "the embedder"
            cause = "its precision changed while thumbnails were embedded"
            raise Unavailable(dependency, cause)
        return embeddings


def _moved(facts: ProfileFacts, finding: PrecisionFinding) -> str:
    return (
        f"{finding.moved_count} of its {finding.image_count} thumbnails get another verdict in it, with "
        f"log-likelihoods moved by up to {finding.max_shift_nats:.3g} nats (median "
        f"{finding.median_shift_nats:.3g}), which moves {finding.moved_share:.1%} of the verdicts on new liked images; "
        f"{_cure(facts)}"
    )


def _cure(facts: ProfileFacts) -> str:
    return f"`lodestone profile refit {facts.profile.name} --photos DIR` embeds its photos again"
