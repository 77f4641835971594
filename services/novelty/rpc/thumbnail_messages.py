"""Between the messages of thumbnails and precision checks and the domain's types."""

from __future__ import annotations

from collections.abc import Sequence

from lodestone.image.v1 import embedding_pb2
from lodestone.novelty.v1 import novelty_service_pb2 as pb
from lodestone.novelty.v1 import profile_pb2
from services.novelty.precision_check import PrecisionCheck
from services.novelty.profile import Profile
from services.novelty.thumbnail_comparison import NotTheThumbnail
from services.novelty.thumbnails import Thumbnail, UnfitThumbnail
from services.servicekit.embedding import Embedding
from services.servicekit.errors import ItemRejected
from services.servicekit.messages import embedding_from_message, precision_to_message


def thumbnails_from_messages(messages: Sequence[pb.Thumbnail], profile: Profile) -> list[Thumbnail]:
    """Reads thumbnails, their embeddings checked.

    Raises:
        UnfitThumbnail: An embedding is bad, or of another dimension or precision than the profile's. One that was
            admitted will not do: these are what it is compared with.
        OtherEncoder: One is of another encoder than the profile's.
    """
    return [_thumbnail(index, message, profile) for index, message in enumerate(messages)]


def embeddings_from_messages(messages: Sequence[embedding_pb2.Embedding]) -> list[Embedding]:
    """Reads embeddings of thumbnails.

    Raises:
        NotTheThumbnail: One is bad.
    """
    embeddings = []
    for index, message in enumerate(messages):
        try:
            embeddings.append(embedding_from_message(message))
        except ItemRejected as error:
            raise NotTheThumbnail(index, error.reason) from error
    return embeddings


def check_to_message(check: PrecisionCheck) -> profile_pb2.PrecisionCheck:
    """Writes what was found of a precision."""
    return profile_pb2.PrecisionCheck(
        precision=precision_to_message(check.precision),
        image_count=check.image_count,
        moved_count=check.moved_count,
        max_shift_nats=check.max_shift_nats,
        median_shift_nats=check.median_shift_nats,
        admitted=check.admitted,
        moved_share=check.moved_share,
    )


def _thumbnail(index: int, message: pb.Thumbnail, profile: Profile) -> Thumbnail:
    own = profile.taste.precision
    try:
        embedding = embedding_from_message(message.embedding)
        if embedding.precision is not own:
            problem = f"its embedding is in {embedding.precision}, and those of {profile} in {own}"
            raise UnfitThumbnail(index, problem)
        values = profile.require_comparable(embedding)
    except ItemRejected as error:
        raise UnfitThumbnail(index, error.reason) from error
    return Thumbnail(message.position, message.jpeg, values)
