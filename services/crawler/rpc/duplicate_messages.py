"""Between what an image would be a duplicate of and the contract (lodestone.crawler.v1)."""

from __future__ import annotations

from lodestone.crawler.v1 import duplicate_image_pb2
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.distinct_pairs import DistinctPair
from services.crawler.judging.duplicate_search import KnownCopy, LookedUp
from services.crawler.rpc.messages import kept_to_message
from services.crawler.store.blob_store import BlobStore
from services.crawler.store.file_state import file_states


async def looked_up_to_message(
    found: LookedUp, database: Database, store: BlobStore
) -> duplicate_image_pb2.DuplicateReport:
    """Writes what an image is near to, with what became of the files of that."""
    decoded = found.decoded
    return duplicate_image_pb2.DuplicateReport(
        digest=found.digest,
        perceptual_hash=decoded.fingerprint.hex,
        flat=decoded.fingerprint.flat,
        width_px=decoded.width_px,
        height_px=decoded.height_px,
        duplicates=[await _copy_to_message(known, database, store) for known in found.copies],
    )


def pair_to_message(pair: DistinctPair) -> duplicate_image_pb2.DistinctPair:
    """Writes two images that are no duplicates."""
    message = duplicate_image_pb2.DistinctPair(
        first_digest=pair.first_digest, second_digest=pair.second_digest
    )
    message.create_time.FromNanoseconds(round(pair.time * 1e9))
    return message


async def _copy_to_message(
    known: KnownCopy, database: Database, store: BlobStore
) -> duplicate_image_pb2.DuplicateImage:
    memory, match = known.copy.memory, known.copy.match
    states = await file_states(database, store, [image for image, _ in known.kept])
    return duplicate_image_pb2.DuplicateImage(
        digest=match.digest,
        memory=duplicate_image_pb2.DuplicateMemory.Value(f"DUPLICATE_MEMORY_{memory.name}"),
        profile_name=known.copy.profile_name,
        distance_64=match.distance64,
        distance_256=match.distance256,
        mirrored=match.mirrored,
        kept_images=[
            kept_to_message(image, judged, state, store.address)
            for (image, judged), state in zip(known.kept, states, strict=True)
            # What was replaced or purged just now is not kept any more.
            if state is not None
        ],
    )
