"""Between the messages of lodestone.novelty.v1 and the domain's types."""

from __future__ import annotations

from lodestone.image.v1 import verdict_pb2
from lodestone.novelty.v1 import novelty_service_pb2, profile_pb2
from services.novelty.liked_set import DEFAULT_KEEP_RATIO, FitOptions
from services.novelty.mixture import Covariance
from services.novelty.profile import Profile, Score
from services.novelty.profile_files import ProfileDamaged
from services.servicekit.errors import InvalidInput
from services.servicekit.messages import precision_to_message


def options_from_message(message: novelty_service_pb2.FitOptions) -> FitOptions:
    """Reads how to fit, with the defaults of what is not set.

    Raises:
        InvalidInput: One is out of its range.
    """
    return FitOptions(
        request_id=message.request_id,
        name=message.name,
        component_count=message.component_count,
        covariance=_covariance_from_message(message.covariance),
        keep_ratio=message.keep_ratio or DEFAULT_KEEP_RATIO,
        seed=message.seed,
    )


def profile_to_message(profile: Profile, *, with_lists: bool = True) -> profile_pb2.Profile:
    """Writes a profile, with or without its log-likelihood lists."""
    taste, mixture = profile.taste, profile.taste.mixture
    message = profile_pb2.Profile(
        name=profile.name,
        version=profile.version,
        threshold_nats=taste.threshold_nats,
        keep_ratio=taste.keep_ratio,
        encoder_id=taste.encoder_id,
        precision=precision_to_message(taste.precision),
        dimension=mixture.dimension,
        component_count=mixture.component_count,
        covariance=profile_pb2.Covariance.Value(f"COVARIANCE_{mixture.covariance.name}"),
        relative_to_background=mixture.background is not None,
        liked_count=taste.liked_count,
        background_count=taste.background_count,
        warnings=taste.warnings,
    )
    message.create_time.FromDatetime(profile.create_time)
    if with_lists:
        message.held_out_log_likelihoods.extend(taste.held_out_log_likelihoods.tolist())
        message.background_log_likelihoods.extend(taste.background_log_likelihoods.tolist())
    return message


def damaged_to_message(error: ProfileDamaged) -> profile_pb2.Profile:
    """Writes what is known of a profile that cannot be read: its name, its version and the damage."""
    name, _, version = error.profile.partition("@")
    return profile_pb2.Profile(name=name, version=int(version), damage=error.problem)


def score_to_message(score: Score, profile: Profile) -> novelty_service_pb2.Score:
    """Writes a score with the threshold and version that made its verdict."""
    verdict = verdict_pb2.VERDICT_OFF_PROFILE
    if score.accepted:
        verdict = verdict_pb2.VERDICT_ACCEPTED
    return novelty_service_pb2.Score(
        log_likelihood=score.log_likelihood,
        percentile=score.percentile,
        verdict=verdict,
        threshold_nats=profile.taste.threshold_nats,
        profile_version=profile.version,
    )


def _covariance_from_message(message: profile_pb2.Covariance.ValueType) -> Covariance:
    if message == profile_pb2.COVARIANCE_UNSPECIFIED:
        return Covariance.DIAG
    if message not in profile_pb2.Covariance.values():
        raise InvalidInput(f"covariance {message} is not known here")
    return Covariance[profile_pb2.Covariance.Name(message).removeprefix("COVARIANCE_")]
