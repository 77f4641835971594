"""Between a profile and the files of its folder: profile.npz (arrays), profile.json (the rest), its liked images."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import numpy as np

from services.novelty.duplicate import Duplicate
from services.novelty.liked_images import LikedImages, NoLikedImages
from services.novelty.mixture import Covariance, Floats, Mixture
from services.novelty.profile import Profile, Taste
from services.novelty.stored.damage import ProfileDamaged
from services.novelty.stored.liked_files import read_liked
from services.novelty.stored.profile_arrays import decode_arrays, encode_arrays
from services.novelty.stored.profile_facts import LikedDigests, ProfileFacts
from services.novelty.stored.stored_files import UnusableFile, read_up_to

FACTS_FILE: Final = "profile.json"
ARRAYS_FILE: Final = "profile.npz"

_MAX_FACTS_BYTES: Final = 1024**2
_MAX_ARRAYS_BYTES: Final = 640 * 1024**2


def write_profile(
    folder: Path, profile: Profile, liked: LikedDigests | None, libraries: dict[str, str]
) -> None:
    """Writes profile.npz and profile.json into a folder that has neither; does not sync them.

    Args:
        folder: Where to.
        profile: What to write.
        liked: The digests of the files of its liked images, which are there already; None if there are none.
        libraries: The versions that fitted it, by name.
    """
    taste, mixture = profile.taste, profile.taste.mixture
    ordinary = mixture.background
    relative_to = {}
    if ordinary is not None:
        relative_to = {
            "background_mean": ordinary.means[0],
            "background_precisions_cholesky": ordinary.precisions_cholesky[0],
        }
    arrays = encode_arrays(
        {
            "weights": mixture.weights,
            "means": mixture.means,
            "precisions_cholesky": mixture.precisions_cholesky,
            "held_out_log_likelihoods": taste.held_out_log_likelihoods,
            "background_log_likelihoods": taste.background_log_likelihoods,
        }
        | relative_to
    )
    digest = hashlib.sha256(arrays).hexdigest()
    facts = ProfileFacts.of(profile, sha256=digest, liked=liked, libraries=libraries)
    for name, content in ((ARRAYS_FILE, arrays), (FACTS_FILE, facts.to_json())):
        with (folder / name).open("xb") as file:
            file.write(content)


def read_facts(folder: Path) -> ProfileFacts:
    """Reads profile.json.

    Raises:
        ProfileDamaged: It is missing, too large, or not what it should be.
    """
    if folder.is_symlink():
        raise ProfileDamaged.at(folder, "its folder is a link")
    content = _read(folder / FACTS_FILE, _MAX_FACTS_BYTES)
    try:
        return ProfileFacts.from_json(content)
    except ValueError as error:
        raise ProfileDamaged.at(folder, f"{FACTS_FILE} {error}") from error


def read_profile(folder: Path) -> Profile:
    """Reads both files; nothing of profile.npz is used before its digest, names, types and shapes are right.

    Raises:
        ProfileDamaged: Something of them is not.
    """
    facts = read_facts(folder)
    content = _read(folder / ARRAYS_FILE, _MAX_ARRAYS_BYTES)
    if hashlib.sha256(content).hexdigest() != facts.sha256:
        raise ProfileDamaged.at(folder, f"{ARRAYS_FILE} has another SHA-256 than {FACTS_FILE} says")
    try:
        arrays = decode_arrays(content, facts.array_shapes())
        _check_values(arrays, facts.covariance)
    except Exception as error:
        # A hostile file breaks the zip and npy readers in any way.
        raise ProfileDamaged.at(
            folder, f"{ARRAYS_FILE} cannot be used: {_one_line(error)}"
        ) from error
    return _profile(facts, arrays)


def read_liked_images(folder: Path) -> LikedImages:
    """Reads the images that a profile was fitted to; nothing of profile.npz.

    Raises:
        NoLikedImages: It was fitted before profiles kept them.
        ProfileDamaged: A file is not what it should be.
    """
    facts = read_facts(folder)
    if facts.liked is None:
        raise NoLikedImages(f"{facts.name}@{facts.version}")
    try:
        return read_liked(folder, facts, facts.liked)
    except UnusableFile as error:
        raise ProfileDamaged.at(folder, str(error)) from error


def _read(path: Path, limit_bytes: int) -> bytes:
    try:
        return read_up_to(path, limit_bytes)
    except UnusableFile as error:
        raise ProfileDamaged.at(path.parent, str(error)) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _check_values(arrays: dict[str, Floats], covariance: Covariance) -> None:
    weights, factors = arrays["weights"], arrays["precisions_cholesky"]
    if not (weights > 0.0).all() or abs(weights.sum() - 1.0) > 1e-6:
        raise ValueError("the weights are not over 0 with the sum 1")
    if covariance is not Covariance.DIAG:
        factors = np.diagonal(factors, axis1=-2, axis2=-1)
    if not (factors > 0.0).all():
        raise ValueError("precisions_cholesky has a diagonal that is not over 0")
    if not (arrays.get("background_precisions_cholesky", weights) > 0.0).all():
        raise ValueError("background_precisions_cholesky is not over 0")
    for name in ("held_out_log_likelihoods", "background_log_likelihoods"):
        if (np.diff(arrays[name]) < 0.0).any():
            raise ValueError(f"{name} is not in ascending order")


def _profile(facts: ProfileFacts, arrays: dict[str, Floats]) -> Profile:
    taste = Taste(
        mixture=Mixture(
            covariance=facts.covariance,
            scale=facts.scale,
            weights=arrays["weights"],
            means=arrays["means"],
            precisions_cholesky=arrays["precisions_cholesky"],
            background=_background(facts, arrays),
        ),
        threshold_nats=facts.threshold_nats,
        keep_ratio=facts.keep_ratio,
        pass_ratio=facts.pass_ratio,
        encoder_id=facts.encoder_id,
        precision=facts.precision,
        liked_count=facts.liked_count,
        background_count=facts.background_count,
        held_out_log_likelihoods=arrays["held_out_log_likelihoods"],
        background_log_likelihoods=arrays["background_log_likelihoods"],
        separation=facts.separation,
        neighbour_separation=facts.neighbour_separation,
        duplicates=tuple(Duplicate(*pair) for pair in facts.duplicates),
        duplicate_count=facts.duplicate_count,
        warnings=facts.warnings,
        seed=facts.seed,
        asked_component_count=facts.asked_component_count,
        asked_covariance=facts.asked_covariance,
        gap_nats=facts.gap_nats,
        is_degenerate=facts.is_degenerate,
        simplified_from=facts.simplified_from,
    )
    return Profile(
        facts.name,
        facts.version,
        taste,
        facts.create_time,
        facts.request_id,
        facts.base_profile,
    )


def _background(facts: ProfileFacts, arrays: dict[str, Floats]) -> Mixture | None:
    if facts.background_scale is None:
        return None
    return Mixture(
        covariance=Covariance.DIAG,
        scale=facts.background_scale,
        weights=np.ones(1),
        means=arrays["background_mean"][np.newaxis],
        precisions_cholesky=arrays["background_precisions_cholesky"][np.newaxis],
    )
