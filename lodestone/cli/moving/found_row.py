"""What is found in an export: an image, or something that cannot be used."""

from __future__ import annotations

from dataclasses import dataclass

from lodestone.crawler.v1.crawler_service_pb2 import ImportImagesRequest


class BadRow(Exception):
    """What is written of an image cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A part of an export that cannot be used.

    Attributes:
        name: Which one: the file, and the member or row.
        reason: Why, one sentence.
    """

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class FoundRow:
    """A part of an export that was read.

    Attributes:
        name: The file, and the member or row.
        request: What the crawler takes.
    """

    name: str
    request: ImportImagesRequest
