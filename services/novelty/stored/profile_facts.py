"""profile.json: what there is to say of a stored profile beside its arrays."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import AwareDatetime, ConfigDict, Field, TypeAdapter, ValidationError

from services.novelty.calibration import KEPT_LOG_LIKELIHOODS
from services.novelty.mixture import MAX_COMPONENTS, Covariance
from services.novelty.profile import ENCODER_ID_PATTERN, NAME_PATTERN, VERSION_PATTERN, Profile
from services.servicekit.embedding import Precision

_FORMAT_VERSION: Final = 3
_READABLE_VERSIONS: Final = (1, 2, 3)

_Ratio = Annotated[float, Field(gt=0, le=1)]
_Position = Annotated[int, Field(ge=0, lt=2**31)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

_STRICT: Final = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LikedDigests:
    """The SHA-256 of the files of what a profile was fitted to, 64 hex digits each.

    Attributes:
        embeddings: Of liked.npy: (liked_count + duplicate_count, dimension) float32.
        background: Of background.npy: (background_count, dimension) float32.
        labels: Of liked.json.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    embeddings: _Sha256
    background: _Sha256
    labels: _Sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileFacts:
    """What stands in profile.json, under the same names; see `Profile`, `Taste` and `Mixture` for the rest.

    Attributes:
        held_out_count: How many held-out log-likelihoods profile.npz has.
        background_score_count: How many of the background.
        background_scale: The scale of the background's density; null if log-likelihoods are absolute.
        sha256: Of profile.npz, 64 hex digits.
        libraries: The versions that fitted it, by name; for the record.
        duplicates: Pairs of a position and the position that it repeats.
        format_version: Of all files. Version 1 has none of what follows, version 2 nothing from `liked` on.
        liked: Null if the liked images were not kept, as in older versions.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    name: Annotated[str, Field(pattern=f"^{NAME_PATTERN}$")]
    version: Annotated[int, Field(ge=1)]
    request_id: Annotated[str, Field(max_length=128)]
    create_time: AwareDatetime
    threshold_nats: float
    keep_ratio: _Ratio | None
    encoder_id: Annotated[str, Field(pattern=f"^{ENCODER_ID_PATTERN}$")]
    precision: Precision
    dimension: Annotated[int, Field(ge=1, le=65_536)]
    component_count: Annotated[int, Field(ge=1, le=MAX_COMPONENTS)]
    covariance: Covariance
    scale: Annotated[float, Field(gt=0)]
    background_scale: Annotated[float, Field(gt=0)] | None
    liked_count: Annotated[int, Field(ge=1, lt=2**31)]
    background_count: Annotated[int, Field(ge=0, lt=2**31)]
    held_out_count: Annotated[int, Field(ge=1, le=KEPT_LOG_LIKELIHOODS)]
    background_score_count: Annotated[int, Field(ge=0, le=KEPT_LOG_LIKELIHOODS)]
    warnings: tuple[str, ...]
    seed: int
    sha256: _Sha256
    libraries: dict[str, str]
    format_version: Literal[1, 2, 3] = _FORMAT_VERSION
    pass_ratio: _Ratio | None = None
    separation: _Share | None = None
    neighbour_separation: _Share | None = None
    duplicates: tuple[tuple[_Position, _Position], ...] = ()
    duplicate_count: Annotated[int, Field(ge=0, lt=2**31)] = 0
    liked: LikedDigests | None = None
    base_profile: Annotated[str, Field(pattern=f"^({NAME_PATTERN}@{VERSION_PATTERN})?$")] = ""
    asked_component_count: Annotated[int, Field(ge=0, le=MAX_COMPONENTS)] = 0
    asked_covariance: Covariance | None = None
    gap_nats: float | None = None
    is_degenerate: bool = False
    simplified_from: Annotated[str, Field(max_length=100)] = ""

    @property
    def sent_count(self) -> int:
        """How many liked images were sent, those that repeat another one included."""
        return self.liked_count + self.duplicate_count

    @classmethod
    def of(
        cls,
        profile: Profile,
        *,
        sha256: str,
        liked: LikedDigests | None,
        libraries: dict[str, str],
    ) -> Self:
        """The facts of a profile whose arrays and liked images have the digests."""
        taste, mixture = profile.taste, profile.taste.mixture
        return cls(
            name=profile.name,
            version=profile.version,
            request_id=profile.request_id,
            create_time=profile.create_time,
            threshold_nats=taste.threshold_nats,
            keep_ratio=taste.keep_ratio,
            encoder_id=taste.encoder_id,
            precision=taste.precision,
            dimension=mixture.dimension,
            component_count=mixture.component_count,
            covariance=mixture.covariance,
            scale=mixture.scale,
            background_scale=mixture.background.scale if mixture.background else None,
            liked_count=taste.liked_count,
            background_count=taste.background_count,
            held_out_count=len(taste.held_out_log_likelihoods),
            background_score_count=len(taste.background_log_likelihoods),
            warnings=taste.warnings,
            seed=taste.seed,
            sha256=sha256,
            libraries=libraries,
            pass_ratio=taste.pass_ratio,
            separation=taste.separation,
            neighbour_separation=taste.neighbour_separation,
            duplicates=tuple((one.position, one.duplicate_of) for one in taste.duplicates),
            duplicate_count=taste.duplicate_count,
            liked=liked,
            base_profile=profile.base_profile,
            asked_component_count=taste.asked_component_count,
            asked_covariance=taste.asked_covariance,
            gap_nats=taste.gap_nats,
            is_degenerate=taste.is_degenerate,
            simplified_from=taste.simplified_from,
        )

    @classmethod
    def from_json(cls, content: bytes) -> ProfileFacts:
        """Reads the content of profile.json.

        Raises:
            ValueError: It is no JSON object, of another format version, or a field is missing, wrong or unknown. The
                message goes on after the file's name.
        """
        _check_version(content)
        try:
            return TypeAdapter(ProfileFacts).validate_json(content)
        except ValidationError as error:
            raise ValueError(first_problem(error)) from error

    def to_json(self) -> bytes:
        """The content of profile.json."""
        return TypeAdapter(ProfileFacts).dump_json(self, indent=2) + b"\n"

    def array_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the arrays of profile.npz by name."""
        shapes = {
            "weights": (self.component_count,),
            "means": (self.component_count, self.dimension),
            "precisions_cholesky": self.covariance.shape(self.component_count, self.dimension),
            "held_out_log_likelihoods": (self.held_out_count,),
            "background_log_likelihoods": (self.background_score_count,),
        }
        if self.background_scale is not None:
            shapes["background_mean"] = (self.dimension,)
            shapes["background_precisions_cholesky"] = (self.dimension,)
        return shapes


def first_problem(error: ValidationError) -> str:
    """What is wrong with a JSON file, to go on after its name."""
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return "is not valid JSON"
    field = ".".join(str(part) for part in first["loc"])
    return f"is wrong in field {field!r}: {first['msg'][0].lower()}{first['msg'][1:]}"


def _check_version(content: bytes) -> None:
    """Comes first: another version may have other fields."""
    try:
        facts = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError("is not valid JSON") from error
    if not isinstance(facts, dict):
        raise ValueError("is not a JSON object")  # noqa: TRY004 - the file is wrong, not its caller
    version = facts.get("format_version")
    if version not in _READABLE_VERSIONS:
        readable = " or ".join(map(str, _READABLE_VERSIONS))
        raise ValueError(f"has format_version {version!r}, not {readable}")
