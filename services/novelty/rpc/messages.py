"""Between the messages of lodestone.novelty.v1 and the domain's types."""

from __future__ import annotations

from lodestone.image.v1 import verdict_pb2
from lodestone.novelty.v1 import novelty_service_pb2, profile_pb2
from services.novelty.fit.liked_set import FitOptions
from services.novelty.fit.share_estimate import CONFIDENCE, estimate_share
from services.novelty.fit.threshold_rule import ThresholdRule
from services.novelty.liked_images import ImageLabel, LikedImages
from services.novelty.mixture import Covariance, Floats
from services.novelty.profile import Profile, Score
from services.novelty.rpc.thumbnail_messages import check_to_message
from services.novelty.stored.damage import ProfileDamaged
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
        keep_ratio=message.keep_ratio or None,
        pass_ratio=message.pass_ratio or None,
        threshold_nats=message.threshold_nats if message.HasField("threshold_nats") else None,
        seed=message.seed,
        base_profile=message.base_profile,
    )


def rule_from_message(message: novelty_service_pb2.UpdateProfileRequest) -> ThresholdRule:
    """Reads where a threshold goes.

    Raises:
        InvalidInput: Nothing says so, or a value is out of its range.
    """
    way = message.WhichOneof("threshold")
    if way is None:
        raise InvalidInput("nothing says where the threshold goes")
    return ThresholdRule(**{way: getattr(message, way)})


def label_from_message(message: profile_pb2.ImageLabel) -> ImageLabel:
    """Reads what an image is called.

    Raises:
        InvalidInput: Its digest or name is none.
    """
    return ImageLabel(message.digest, message.name)


def liked_to_message(
    liked: LikedImages, position: int, *, thumbnail: bytes = b""
) -> profile_pb2.LikedImage:
    """Writes one liked image, with or without its thumbnail."""
    label = liked.labels[position]
    return profile_pb2.LikedImage(
        position=position,
        label=profile_pb2.ImageLabel(digest=label.digest, name=label.name),
        held_out_log_likelihood=liked.held_out_log_likelihoods[position],
        duplicate_of=liked.originals[position],
        thumbnail=thumbnail,
    )


def profile_to_message(profile: Profile, *, with_lists: bool = True) -> profile_pb2.Profile:
    """Writes a profile, with or without its lists: log-likelihoods and duplicates."""
    taste, mixture = profile.taste, profile.taste.mixture
    message = profile_pb2.Profile(
        name=profile.name,
        version=profile.version,
        threshold_nats=taste.threshold_nats,
        keep_ratio=taste.keep_ratio or 0.0,
        pass_ratio=taste.pass_ratio or 0.0,
        encoder_id=taste.encoder_id,
        precision=precision_to_message(taste.precision),
        dimension=mixture.dimension,
        component_count=mixture.component_count,
        covariance=_covariance_to_message(mixture.covariance),
        asked_component_count=taste.asked_component_count,
        asked_covariance=_covariance_to_message(taste.asked_covariance),
        seed=taste.seed,
        relative_to_background=mixture.background is not None,
        liked_count=taste.liked_count,
        background_count=taste.background_count,
        separation=taste.separation,
        neighbour_separation=taste.neighbour_separation,
        expected_keep=_share(taste.held_out_log_likelihoods, taste.threshold_nats),
        expected_pass=_share(taste.background_log_likelihoods, taste.threshold_nats),
        duplicate_count=taste.duplicate_count,
        base_profile=profile.base_profile,
        thumbnail_count=profile.additions.thumbnail_count,
        thumbnail_damage=profile.additions.damage,
        precision_checks=map(check_to_message, profile.additions.precision_checks),
        warnings=taste.warnings,
    )
    message.create_time.FromDatetime(profile.create_time)
    if with_lists:
        message.held_out_log_likelihoods.extend(taste.held_out_log_likelihoods.tolist())
        message.background_log_likelihoods.extend(taste.background_log_likelihoods.tolist())
        message.duplicates.extend(
            profile_pb2.Duplicate(position=one.position, duplicate_of=one.duplicate_of)
            for one in taste.duplicates
        )
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


def _share(scores: Floats, threshold_nats: float) -> profile_pb2.ShareEstimate | None:
    share = estimate_share(scores, threshold_nats)
    if share is None:
        return None
    return profile_pb2.ShareEstimate(
        expected=share.expected, low=share.low, high=share.high, confidence=CONFIDENCE
    )


def _covariance_to_message(form: Covariance | None) -> profile_pb2.Covariance.ValueType:
    if form is None:
        return profile_pb2.COVARIANCE_UNSPECIFIED
    return profile_pb2.Covariance.Value(f"COVARIANCE_{form.name}")


def _covariance_from_message(message: profile_pb2.Covariance.ValueType) -> Covariance | None:
    if message == profile_pb2.COVARIANCE_UNSPECIFIED:
        return None
    if message not in profile_pb2.Covariance.values():
        raise InvalidInput(f"covariance {message} is not known here")
    return Covariance[profile_pb2.Covariance.Name(message).removeprefix("COVARIANCE_")]
