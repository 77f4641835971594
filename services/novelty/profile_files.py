"""The two files of a stored profile: profile.npz (arrays alone) and profile.json (everything else)."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import asdict, dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import IO, Annotated, ClassVar, Final, Literal

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from services.novelty.calibration import KEPT_LOG_LIKELIHOODS
from services.novelty.liked_set import MAX_COMPONENTS
from services.novelty.mixture import Covariance, Floats, Mixture
from services.novelty.profile import ENCODER_ID_PATTERN, NAME_PATTERN, Profile, Taste
from services.servicekit.embedding import Precision
from services.servicekit.errors import FailedPrecondition

FACTS_FILE: Final = "profile.json"
ARRAYS_FILE: Final = "profile.npz"

_FORMAT_VERSION: Final = 1
_MAX_FACTS_BYTES: Final = 1024**2
_MAX_ARRAYS_BYTES: Final = 640 * 1024**2
_FLOAT64: Final = np.dtype("<f8")
_NPY_HEADER_BYTES: Final = 1024


class ProfileUnreadable(FailedPrecondition):
    """A stored profile cannot be used; the others are not affected.

    Attributes:
        path: The file that is wrong.
        problem: What is wrong with it.
    """

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"this profile cannot be read: {path}: {problem}")
        self.path = path
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileFacts:
    """What stands in profile.json, under the same names; see `Profile`, `Taste` and `Mixture`.

    Attributes:
        held_out_count: How many held-out log-likelihoods profile.npz has.
        background_score_count: How many of the background.
        sha256: Of profile.npz, 64 hex digits.
        libraries: What fitted it, by name; for the record.
        format_version: Of both files.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(
        strict=True, extra="forbid", allow_inf_nan=False
    )

    name: Annotated[str, Field(pattern=f"^{NAME_PATTERN}$")]
    version: Annotated[int, Field(ge=1)]
    request_id: Annotated[str, Field(max_length=128)]
    create_time: datetime
    threshold_nats: float
    keep_ratio: Annotated[float, Field(gt=0, le=1)]
    encoder_id: Annotated[str, Field(pattern=f"^{ENCODER_ID_PATTERN}$")]
    precision: Precision
    dimension: Annotated[int, Field(ge=1, le=65_536)]
    component_count: Annotated[int, Field(ge=1, le=MAX_COMPONENTS)]
    covariance: Covariance
    scale: Annotated[float, Field(gt=0)]
    liked_count: Annotated[int, Field(ge=1)]
    background_count: Annotated[int, Field(ge=0)]
    held_out_count: Annotated[int, Field(ge=1, le=KEPT_LOG_LIKELIHOODS)]
    background_score_count: Annotated[int, Field(ge=0, le=KEPT_LOG_LIKELIHOODS)]
    warnings: tuple[str, ...]
    seed: int
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    libraries: dict[str, str]
    format_version: Literal[1] = _FORMAT_VERSION

    def to_json(self) -> bytes:
        """The content of profile.json."""
        return TypeAdapter(ProfileFacts).dump_json(self, indent=2) + b"\n"

    def array_shapes(self) -> dict[str, tuple[int, ...]]:
        """The arrays of profile.npz, all little-endian float64, by name."""
        return {
            "weights": (self.component_count,),
            "means": (self.component_count, self.dimension),
            "precisions_cholesky": self.covariance.shape(self.component_count, self.dimension),
            "held_out_log_likelihoods": (self.held_out_count,),
            "background_log_likelihoods": (self.background_score_count,),
        }


def encode_profile(profile: Profile, libraries: dict[str, str]) -> dict[str, bytes]:
    """Returns the content of the two files by name; the same profile gives the same bytes."""
    taste, mixture = profile.taste, profile.taste.mixture
    arrays = BytesIO()
    np.savez(
        arrays,
        allow_pickle=False,
        weights=mixture.weights,
        means=mixture.means,
        precisions_cholesky=mixture.precisions_cholesky,
        held_out_log_likelihoods=taste.held_out_log_likelihoods,
        background_log_likelihoods=taste.background_log_likelihoods,
    )
    facts = ProfileFacts(
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
        liked_count=taste.liked_count,
        background_count=taste.background_count,
        held_out_count=len(taste.held_out_log_likelihoods),
        background_score_count=len(taste.background_log_likelihoods),
        warnings=taste.warnings,
        seed=taste.seed,
        sha256=hashlib.sha256(arrays.getvalue()).hexdigest(),
        libraries=libraries,
    )
    return {ARRAYS_FILE: arrays.getvalue(), FACTS_FILE: facts.to_json()}


def read_facts(folder: Path) -> ProfileFacts:
    """Reads profile.json.

    Raises:
        ProfileUnreadable: It is missing, too large, no JSON, of another format, or a field is wrong.
    """
    path = folder / FACTS_FILE
    content = _read(path, _MAX_FACTS_BYTES)
    try:
        version = json.loads(content).get("format_version")
    except (ValueError, RecursionError, AttributeError) as error:
        raise ProfileUnreadable(path, "it is no JSON object") from error
    if version != _FORMAT_VERSION:
        problem = f"its format version is {version!r}, and {_FORMAT_VERSION} is read here"
        raise ProfileUnreadable(path, problem)
    try:
        return TypeAdapter(ProfileFacts).validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ProfileUnreadable(path, f"field {field!r}: {first['msg']}") from error


def read_profile(folder: Path) -> Profile:
    """Reads both files. Nothing of profile.npz is used before its digest, names, types and shapes are right.

    Raises:
        ProfileUnreadable: Something of it is not.
    """
    facts = read_facts(folder)
    path = folder / ARRAYS_FILE
    content = _read(path, _MAX_ARRAYS_BYTES)
    if hashlib.sha256(content).hexdigest() != facts.sha256:
        raise ProfileUnreadable(path, f"its SHA-256 is not the one that {FACTS_FILE} states")
    try:
        arrays = _arrays(content, facts.array_shapes())
    except (ValueError, zipfile.BadZipFile, NotImplementedError, EOFError, OSError) as error:
        raise ProfileUnreadable(path, str(error)) from error
    return _profile(facts, arrays)


def _read(path: Path, limit_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(limit_bytes + 1)
    except OSError as error:
        raise ProfileUnreadable(path, error.strerror or str(error)) from error
    if len(content) > limit_bytes:
        raise ProfileUnreadable(path, f"it is larger than {limit_bytes:,} bytes")
    return content


def _arrays(content: bytes, shapes: dict[str, tuple[int, ...]]) -> dict[str, Floats]:
    with zipfile.ZipFile(BytesIO(content)) as archive:
        names = sorted(member.filename for member in archive.infolist())
        if names != sorted(f"{name}.npy" for name in shapes):
            raise ValueError(f"it holds {', '.join(names)[:200]}")
        return {name: _array(archive, name, shape) for name, shape in shapes.items()}


def _array(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...]) -> Floats:
    member = archive.getinfo(f"{name}.npy")
    size_bytes = int(np.prod(shape, dtype=np.int64)) * _FLOAT64.itemsize
    stored = member.compress_type == zipfile.ZIP_STORED
    if not stored or member.file_size > size_bytes + _NPY_HEADER_BYTES:
        raise ValueError(f"{name} is compressed or larger than its shape")
    with archive.open(member) as file:
        found_shape, fortran_order, found_type = _npy_header(file)
    if (found_shape, fortran_order, found_type) != (shape, False, _FLOAT64):
        problem = f"{name} has shape {found_shape} of {found_type}, not {shape} of {_FLOAT64}"
        raise ValueError(problem)
    with archive.open(member) as file:
        array: Floats = np.lib.format.read_array(file, allow_pickle=False)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has a value that is not finite")
    return array


def _npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("an array is not in version 1.0 of the npy format")
    return np.lib.format.read_array_header_1_0(file)


def _profile(facts: ProfileFacts, arrays: dict[str, Floats]) -> Profile:
    mixture = Mixture(
        covariance=facts.covariance,
        scale=facts.scale,
        weights=arrays["weights"],
        means=arrays["means"],
        precisions_cholesky=arrays["precisions_cholesky"],
    )
    shared = {field: value for field, value in asdict(facts).items() if field in _TASTE_FACTS}
    taste = Taste(
        mixture=mixture,
        held_out_log_likelihoods=arrays["held_out_log_likelihoods"],
        background_log_likelihoods=arrays["background_log_likelihoods"],
        **shared,
    )
    return Profile(facts.name, facts.version, taste, facts.create_time, facts.request_id)
