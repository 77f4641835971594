"""The samples of a tar file as img2dataset and webdataset write them: members in a row that share a key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from services.crawler.fetch.local_file import open_regular
from services.crawler.fetch.tar_members import BrokenTar, Member, read_members
from services.crawler.sources.source import IMAGE_SUFFIXES

_FACTS_MAX_BYTES = 1_000_000
_TEXT_MAX_BYTES = 65_536
# Of one key, more are left out.
_IMAGES_MAX = 100


@dataclass
class Sample:
    """What one key has.

    Attributes:
        key: The members' path up to the first dot in the name.
        images: Its images.
        facts: Its `.json`; empty if there is none that can be read.
        text: Its `.txt`.
        skipped_count: Images that are no plain files, or too many.
        next_offset: Where the next sample's first header begins, bytes; 0 if it is the last.
    """

    key: str
    images: list[Member] = field(default_factory=list)
    facts: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    skipped_count: int = 0
    next_offset: int = 0


def read_samples(shard: Path, offset: int) -> Iterator[Sample]:
    """Reads the samples of a tar file from an offset on, where a sample begins; blocks.

    Raises:
        BrokenTar: It ends in the middle; what is whole comes before.
        FetchFailed, OSError: It cannot be opened or read.
    """
    with open_regular(shard) as handle:
        sample: Sample | None = None
        try:
            for member in read_members(handle, offset):
                key = _key(member.name)
                if sample is not None and sample.key != key:
                    sample.next_offset = member.offset
                    yield sample
                    sample = None
                sample = sample or Sample(key)
                _take(sample, member, handle)
        except BrokenTar:
            if sample is not None:
                yield sample
            raise
        if sample is not None:
            yield sample


def _key(name: str) -> str:
    folder, slash, file = name.rpartition("/")
    return f"{folder}{slash}{file.partition('.')[0]}"


def _take(sample: Sample, member: Member, handle: BinaryIO) -> None:
    suffix = PurePosixPath(member.name).suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        if member.is_file and len(sample.images) < _IMAGES_MAX:
            sample.images.append(member)
        else:
            sample.skipped_count += 1
    elif suffix == ".json" and member.is_file and member.size <= _FACTS_MAX_BYTES:
        sample.facts = _read_facts(_read(handle, member))
    elif suffix == ".txt" and member.is_file:
        start = _read(handle, member, max_bytes=_TEXT_MAX_BYTES)
        sample.text = start.decode("utf-8", "replace")


def _read(handle: BinaryIO, member: Member, *, max_bytes: int = _FACTS_MAX_BYTES) -> bytes:
    handle.seek(member.data_offset)
    return handle.read(min(member.size, max_bytes))


def _read_facts(encoded: bytes) -> Mapping[str, Any]:
    try:
        facts = json.loads(encoded)
    except (ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}
