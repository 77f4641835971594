"""Kept images of the store, with the embeddings that the crawler recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import grpc

from lodestone.cli.errors import CliError, explain
from lodestone.cli.image_files import UNREADABLE, Unreadable
from lodestone.cli.inputs.fit_services import FitServices
from lodestone.cli.inputs.kind import Kind
from lodestone.cli.inputs.label_name import label_name
from lodestone.cli.inputs.part import Part, ReadEncoded
from lodestone.cli.running import ordered_map
from lodestone.cli.words import count_of, one_line, printable
from lodestone.client import CrawlerClient
from lodestone.crawler.v1.kept_image_pb2 import FILE_STATE_REMOVED, KeptImage
from lodestone.image.v1.embedding_pb2 import Embedding
from lodestone.novelty.v1.profile_pb2 import ImageLabel

_IN_FLIGHT: Final = 8


@dataclass(frozen=True, slots=True)
class Kept:
    """A kept image, and its recorded embedding if there is one."""

    image: KeptImage
    embedding: Embedding | None

    @property
    def name(self) -> str:
        """What to call it before people."""
        return printable(f"kept:{self.image.judgement.profile_name}/{self.image.file_name}")

    @property
    def label(self) -> ImageLabel:
        """What the novelty service is to call it."""
        return ImageLabel(digest=self.image.digest, name=label_name(self.image.file_name))


@dataclass(frozen=True, slots=True)
class KeptWish:
    """What kept images are read for.

    Attributes:
        given: The input, for people.
        kind: What the embeddings must be of: recorded ones of another kind are computed anew.
        profile_name: Of the profile that they are read for; empty if they need not be marked as seen.
    """

    given: str
    kind: Kind
    profile_name: str = ""


async def kept_of(services: FitServices, profile_name: str) -> list[Kept]:
    """What was kept under a profile's name, oldest first, without what a person removed from `kept/` since.

    Raises:
        CliError: That is nothing.
    """
    found, removed = [], 0
    async for answer in services.crawler.list_images(profile_name, with_embeddings=True):
        if answer.image.file_state == FILE_STATE_REMOVED:
            removed += 1
            continue
        embedding = answer.embedding if answer.HasField("embedding") else None
        found.append(Kept(answer.image, embedding))
    if removed:
        them = count_of(removed, "image") + (" that was" if removed == 1 else " that were")
        services.output.note(f"left out of kept:{profile_name}: {them} removed by hand")
    if not found:
        raise CliError(f"nothing is kept under the name {profile_name!r}")
    return found


async def kept_image(services: FitServices, digest: str, profile_name: str = "") -> Kept:
    """One kept image, by its digest or the first 8 digits of it or more; as this profile keeps it, if it does."""
    answer = await services.crawler.get_image(digest)
    embedding = answer.embedding if answer.HasField("embedding") else None
    own = (image for image in answer.images if image.judgement.profile_name == profile_name)
    return Kept(next(own, answer.images[0]), embedding)


async def kept_part(services: FitServices, wish: KeptWish, kept: list[Kept]) -> Part:
    """Kept images as a part of a fit.

    Raises:
        CliError: None of them has an embedding of the wanted kind, or bytes to compute it from; or the embedder, which
            would have to compute one, serves another kind.
    """
    found: list[tuple[Kept, Embedding]] = []
    left_out: dict[str, Unreadable] = {}

    async def embedding_of(one: Kept) -> Embedding | Unreadable:
        if one.embedding is not None and Kind.of(one.embedding).difference(wish.kind) is None:
            return one.embedding
        encoded = await read_kept(services.crawler, one.image.digest)
        if encoded is None:
            return Unreadable(UNREADABLE, "its stored bytes are gone")
        result = await services.embed(encoded)
        _require_kind(one, result, wish.kind)
        return result

    with services.output.progress() as progress:
        task = progress.add_task(wish.given, total=len(kept), counters="")
        async with services.patience.limit():
            async for one, result in ordered_map(kept, embedding_of, limit=_IN_FLIGHT):
                progress.advance(task)
                if isinstance(result, Embedding):
                    found.append((one, result))
                else:
                    left_out[one.name] = result
                    services.output.note(f"left out {one.name}: {one_line(result.reason)}")
    if not found:
        raise CliError(f"none of the {count_of(len(kept), 'image')} of {wish.given} can be used")
    return Part(
        given=wish.given,
        kind=Kind.of(found[0][1]),
        embeddings=[embedding for _, embedding in found],
        labels=[one.label for one, _ in found],
        names=[one.name for one, _ in found],
        left_out=left_out,
        read=kept_reader(services.crawler),
        to_mark=any(_is_new_to(wish.profile_name, one.image) for one, _ in found),
    )


def kept_reader(crawler: CrawlerClient) -> ReadEncoded:
    """Reads the bytes of kept images."""
    return lambda digest: read_kept(crawler, digest)


async def read_kept(crawler: CrawlerClient, digest: str) -> bytes | None:
    """The bytes of a kept image; None if it is not kept, or its bytes are lost."""
    try:
        answer = await crawler.get_image(digest, with_encoded=True)
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.NOT_FOUND:
            return None
        raise CliError(f"{digest[:12]}… cannot be read from the store: {explain(error)}") from error
    return answer.encoded or None


def _require_kind(one: Kept, result: Embedding | Unreadable, wanted: Kind) -> None:
    if isinstance(result, Embedding) and (difference := Kind.of(result).difference(wanted)):
        raise CliError(
            f"no embedding of {difference[1]} is recorded of {one.name}, "
            f"and the embedder serves {difference[0]}"
        )


def _is_new_to(profile_name: str, image: KeptImage) -> bool:
    """Whether the profile does not keep the image itself, which counts as seen without a mark."""
    return bool(profile_name) and image.judgement.profile_name != profile_name
