"""A profile: one taste, its name and version, and what it says of embeddings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from services.novelty.additions import NOTHING_ADDED, Additions
from services.novelty.calibration import percentile_of
from services.novelty.duplicate import Duplicate
from services.novelty.mixture import Covariance, Embeddings, Floats, Mixture
from services.servicekit.embedding import Embedding, Precision
from services.servicekit.errors import FailedPrecondition, InvalidInput, ItemRejected
from services.servicekit.rejection import RejectionCode

NAME_PATTERN: Final = "[a-z0-9][a-z0-9_-]{0,63}"
VERSION_PATTERN: Final = "[1-9][0-9]{0,8}"
ENCODER_ID_PATTERN: Final = "[0-9a-f]{64}"


class OtherEncoder(FailedPrecondition):
    """An embedding was made by another encoder than the profile's.

    Attributes:
        profile: The profile, as `name@version`.
        wanted: The encoder id and precision of the profile.
        found: Those of the embedding.
    """

    def __init__(
        self, profile: str, *, wanted: tuple[str, Precision], found: tuple[str, Precision]
    ) -> None:
        super().__init__(
            f"profile {profile} takes embeddings of encoder {wanted[0]!r} in {wanted[1]}, "
            f"not of encoder {found[0]!r} in {found[1]}"
        )
        self.profile = profile
        self.wanted = wanted
        self.found = found


class OtherPrecision(FailedPrecondition):
    """An embedding is of another precision than the profile's, and that was not admitted.

    Attributes:
        profile: The profile, as `name@version`.
        wanted: The precision that it was fitted in.
        found: That of the embedding.
        why: Why it is not admitted, with the measured shift if there is one, and the cure.
    """

    def __init__(self, profile: str, *, wanted: Precision, found: Precision, why: str) -> None:
        super().__init__(
            f"profile {profile} was fitted in {wanted}, and its verdicts are not known to hold in {found}: {why}"
        )
        self.profile = profile
        self.wanted = wanted
        self.found = found
        self.why = why


@dataclass(frozen=True, slots=True)
class ProfileReference:
    """What a request calls a profile.

    Attributes:
        name: The profile's name.
        version: From 1; None for the newest.
    """

    name: str
    version: int | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `landscapes` or `landscapes@3`.

        Raises:
            InvalidInput: It is neither.
        """
        match = re.fullmatch(f"({NAME_PATTERN})(?:@({VERSION_PATTERN}))?", text)
        if match is None:
            raise InvalidInput(
                f"{text[:80]!r} names no profile: write a name, or name@version, where a name is 1 to 64 of "
                "a-z, 0-9, - and _ and begins with a letter or digit"
            )
        return cls(match[1], int(match[2]) if match[2] else None)

    def __str__(self) -> str:
        return self.name if self.version is None else f"{self.name}@{self.version}"


def require_name(name: str) -> None:
    """Refuses what cannot be the name of a profile.

    Raises:
        InvalidInput: It is not 1 to 64 of a-z, 0-9, `-` and `_`, or begins with `-` or `_`.
    """
    if re.fullmatch(NAME_PATTERN, name) is None:
        raise InvalidInput(
            f"{name[:80]!r} cannot be a profile's name: 1 to 64 of a-z, 0-9, - and _, the first one a letter or digit"
        )


@dataclass(frozen=True, slots=True)
class Score:
    """How well one embedding fits a profile.

    Attributes:
        log_likelihood: ln p(embedding | profile), nats; higher is more like the profile.
        percentile: Among held-out liked images, over 0 and up to 100; see `calibration.percentile_of`.
        accepted: Whether the log-likelihood is at or over the threshold.
    """

    log_likelihood: float
    percentile: float
    accepted: bool


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Taste:
    """What a fit learns; a profile without its name.

    Attributes:
        mixture: The density of liked embeddings.
        threshold_nats: Log-likelihoods at or over it fit.
        keep_ratio: The share of liked images that the threshold was set to keep, in (0, 1]; None if it was set in
            another way.
        pass_ratio: The share of the background sample that it was set to let pass, in (0, 1], or None.
        encoder_id: Of the embeddings that it was fitted to.
        precision: Of the same.
        liked_count: How many different liked images there were.
        background_count: How many images the background sample had; 0 without one.
        held_out_log_likelihoods: (at most 2000,) ascending, nats: liked images under mixtures fitted without them.
        background_log_likelihoods: (at most 2000,) ascending, nats.
        separation: How often a held-out liked image outscores one of the background, 0 to 1; None if not known.
        neighbour_separation: The same of the mean cosine similarity to the five nearest liked images.
        duplicates: Liked images that repeat another one and took no part; at most 1,000 are listed.
        duplicate_count: How many there were.
        warnings: What a person should know, one sentence each.
        seed: Of every random choice.
        asked_component_count: How many components were asked for; 0 if that was chosen.
        asked_covariance: The form of the covariances that was asked for; None if that was chosen.
        gap_nats: By how much more likely than held-out images the mixture finds those it was fitted to, per
            coordinate; None if not known.
        is_degenerate: Whether it learned those by heart or has components without any.
        simplified_from: What was degenerate and gave way to this mixture; empty if nothing was.
    """

    mixture: Mixture
    threshold_nats: float
    keep_ratio: float | None
    pass_ratio: float | None
    encoder_id: str
    precision: Precision
    liked_count: int
    background_count: int
    held_out_log_likelihoods: Floats
    background_log_likelihoods: Floats
    separation: float | None
    neighbour_separation: float | None
    duplicates: tuple[Duplicate, ...]
    duplicate_count: int
    warnings: tuple[str, ...]
    seed: int
    asked_component_count: int = 0
    asked_covariance: Covariance | None = None
    gap_nats: float | None = None
    is_degenerate: bool = False
    simplified_from: str = ""

    def has_threshold_of(self, other: Taste) -> bool:
        """Whether both have the same threshold, set in the same way."""
        own = (self.threshold_nats, self.keep_ratio, self.pass_ratio)
        return own == (other.threshold_nats, other.keep_ratio, other.pass_ratio)

    def score(self, log_likelihood: float) -> Score:
        """Says what a log-likelihood (nats) under the mixture means."""
        accepted = bool(log_likelihood >= self.threshold_nats)
        percentile = percentile_of(log_likelihood, self.held_out_log_likelihoods)
        return Score(float(log_likelihood), percentile, accepted)


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """A taste under a name and a version; never changes, but for what is added to it.

    Attributes:
        name: As `require_name` allows.
        version: From 1.
        taste: What was learned.
        create_time: When it was fitted, UTC.
        request_id: Of the request that fitted it; empty if it is another one with another threshold.
        base_profile: The version that it was made from by a refit or with another threshold, `landscapes@2`; empty if
            by neither.
        additions: What was added to it by now.
    """

    name: str
    version: int
    taste: Taste
    create_time: datetime
    request_id: str
    base_profile: str = ""
    additions: Additions = NOTHING_ADDED

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def precisions(self) -> list[Precision]:
        """Those whose embeddings it scores: its own, and the ones that were admitted."""
        checks = self.additions.precision_checks
        return [self.taste.precision, *(check.precision for check in checks if check.admitted)]

    def require_comparable(self, embedding: Embedding) -> Embeddings:
        """Returns the values of an embedding that this profile can score: (dimension,).

        Raises:
            OtherEncoder: Another encoder made it.
            OtherPrecision: It is of a precision that was not admitted.
            ItemRejected: It has another dimension.
        """
        wanted = (self.taste.encoder_id, self.taste.precision)
        found = (embedding.encoder_id, embedding.precision)
        if found[0] != wanted[0]:
            raise OtherEncoder(str(self), wanted=wanted, found=found)
        if found[1] is not wanted[1] and (why := self.additions.why_not(found[1])):
            raise OtherPrecision(str(self), wanted=wanted[1], found=found[1], why=why)
        if embedding.values.size != self.taste.mixture.dimension:
            raise ItemRejected(
                RejectionCode.BAD_EMBEDDING,
                f"it has {embedding.values.size} values, and profile {self} takes {self.taste.mixture.dimension}",
            )
        return embedding.values
