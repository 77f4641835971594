"""Writes what a crawler exports into a folder, shard by shard."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from lodestone.cli.errors import CliError
from lodestone.cli.moving.export_folder import ExportFolder
from lodestone.cli.moving.exported_row import ExportedRow, row_of
from lodestone.cli.moving.manifest import Horizon, Manifest, ShardEntry, Terms
from lodestone.cli.moving.shard import ShardWriter
from lodestone.cli.writing import writing
from lodestone.client import CrawlerClient
from lodestone.crawler.v1.crawler_service_pb2 import ExportedImage, ExportImagesRequest

# The contract's limit.
_MAX_LEFT_OUT: Final = 100_000


class Exporter:
    """One export; what is in a shard is not written again.

    Attributes:
        image_count: Images that this process has written.
    """

    def __init__(self, folder: ExportFolder, told: Callable[[ShardEntry], None]) -> None:
        """Takes the folder, and what is told of each shard when it is there."""
        self._folder = folder
        self._told = told
        self._shard: _OpenShard | None = None
        self._new_left_out: dict[str, str] = {}
        self.image_count = 0

    async def run(self, crawler: CrawlerClient, progress: Callable[[int], None]) -> None:
        """Exports to the end; `progress` is told how many images it has written."""
        async for event in crawler.export_images(self._request()):
            with writing(self._folder.path):
                if event.HasField("horizon"):
                    self._folder.begin(Horizon.of(event.horizon))
                else:
                    self._add(event.image)
            progress(self.image_count)
        with writing(self._folder.path):
            self._seal()
            self._folder.finish(self._new_left_out)

    def _request(self) -> ExportImagesRequest:
        folder = self._folder
        request = request_for(folder.terms)
        if folder.earlier is not None:
            request.earlier.CopyFrom(folder.earlier.horizon.message())
            request.left_out_digests.extend(_tried_again(folder.earlier))
        if folder.current is not None:
            request.horizon.CopyFrom(folder.current.horizon.message())
            request.after_sequence = folder.reached
        return request

    def _add(self, image: ExportedImage) -> None:
        reason = image.missing or _damage(image, self._folder.terms)
        if reason:
            self._new_left_out[image.record.digest] = reason
            return
        row = row_of(image)
        if self._shard is not None and not self._shard.writer.fits(row):
            self._seal()
        if self._shard is None:
            writer = self._folder.format.open_writer(self._folder.part())
            self._shard = _OpenShard(writer, image.sequence)
        self._shard.add(row, image.sequence)
        self.image_count += 1
        if self._shard.is_full(self._folder.terms):
            self._seal()

    def _seal(self) -> None:
        if self._shard is None:
            return
        entry = self._shard.seal(self._folder.next_name())
        self._folder.add(entry, self._new_left_out)
        self._shard, self._new_left_out = None, {}
        self._told(entry)


class _OpenShard:
    """A shard that is written."""

    def __init__(self, writer: ShardWriter, first_sequence: int) -> None:
        self.writer = writer
        self._first_sequence = self._last_sequence = first_sequence
        self._image_count = self._size_bytes = 0

    def add(self, row: ExportedRow, sequence: int) -> None:
        self.writer.add(row)
        self._image_count += 1
        self._size_bytes += row.size_bytes
        self._last_sequence = sequence

    def is_full(self, terms: Terms) -> bool:
        return self._image_count >= terms.shard_images or self._size_bytes >= terms.shard_bytes

    def seal(self, name: str) -> ShardEntry:
        sealed = self.writer.seal()
        places = (self._first_sequence, self._last_sequence)
        return ShardEntry(name, self._image_count, sealed.size_bytes, sealed.sha256, *places)


def request_for(terms: Terms) -> ExportImagesRequest:
    """What the crawler is asked for."""
    request = ExportImagesRequest(
        profile=terms.profile, source=terms.source, without_encoded=not terms.with_bytes
    )
    for field, text in ((request.since_time, terms.since), (request.until_time, terms.until)):
        if text:
            time = Timestamp()
            time.FromJsonString(text)
            field.CopyFrom(time)
    return request


def _tried_again(earlier: Manifest) -> list[str]:
    """What earlier exports left out."""
    if len(earlier.left_out) > _MAX_LEFT_OUT:
        raise CliError(
            f"{len(earlier.left_out):,} images were left out of this export, and at most {_MAX_LEFT_OUT:,} can be "
            "added to it later: export into another folder"
        )
    return sorted(earlier.left_out)


def _damage(image: ExportedImage, terms: Terms) -> str:
    """Why the bytes are not those of the image; empty if they are, or are not wanted."""
    if not terms.with_bytes or hashlib.sha256(image.encoded).hexdigest() == image.record.digest:
        return ""
    return f"its {len(image.encoded):,} stored bytes are not those of its digest"
