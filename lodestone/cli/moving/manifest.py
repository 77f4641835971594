"""The manifest of an export: what was chosen, how far it goes, and its shards."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from lodestone.cli.errors import CliError
from lodestone.cli.image_files import shown
from lodestone.cli.moving.disk import NotReadable, read_regular
from lodestone.cli.moving.typed_fields import read_fields
from lodestone.crawler.v1.crawler_service_pb2 import ExportHorizon

MANIFEST: Final = "manifest.json"
PROGRESS: Final = "progress.json"
KIND: Final = "lodestone export"
VERSION: Final = 1
_MAX_BYTES: Final = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Terms:
    """What an export is of: the same for all that is added to it later.

    Attributes:
        format: `folder`, `webdataset` or `parquet`.
        profile: `landscapes`, `landscapes@3`, or empty for all.
        source: Empty for all.
        since: RFC 3339; empty is from the beginning.
        until: The same; empty is to the end.
        with_bytes: Whether the images' bytes are there.
        shard_images: At most so many images a shard.
        shard_bytes: A shard ends with the image that reaches so many bytes.
    """

    format: str
    profile: str = ""
    source: str = ""
    since: str = ""
    until: str = ""
    with_bytes: bool = True
    shard_images: int = 1_000
    shard_bytes: int = 500_000_000


@dataclass(frozen=True, slots=True)
class ShardEntry:
    """A shard as the manifest has it.

    Attributes:
        name: Of its file or folder.
        image_count: Images in it.
        size_bytes: Its bytes.
        sha256: Of the file; of a folder, that of its SHA256SUMS.
        first_sequence: The place of its first image in the order of accepting.
        last_sequence: That of its last one.
    """

    name: str
    image_count: int
    size_bytes: int
    sha256: str
    first_sequence: int
    last_sequence: int


@dataclass(frozen=True, slots=True)
class Horizon:
    """How far an export goes, as the contract's ExportHorizon.

    Attributes:
        sequence: The last image that was in the store; 0 if there was none.
        digest: Its digest.
        time: When that was, RFC 3339.
    """

    sequence: int
    digest: str
    time: str

    @classmethod
    def of(cls, message: ExportHorizon) -> Horizon:
        """Reads the crawler's."""
        return cls(message.sequence, message.digest, message.time.ToJsonString())

    def message(self) -> ExportHorizon:
        """Writes it for the crawler."""
        time = Timestamp()
        time.FromJsonString(self.time)
        return ExportHorizon(sequence=self.sequence, digest=self.digest, time=time)


@dataclass
class Manifest:
    """What a manifest says.

    Attributes:
        terms: What it is of.
        horizon: How far it goes.
        shards: In their order.
        left_out: Images whose bytes are gone or damaged, by digest, and why. The next export tries them again.
    """

    terms: Terms
    horizon: Horizon
    shards: list[ShardEntry] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def image_count(self) -> int:
        """Images in all shards; one that changed may be in two of them."""
        return sum(shard.image_count for shard in self.shards)

    @property
    def next_shard(self) -> int:
        """The number of the next shard."""
        return len(self.shards)

    def to_json(self) -> bytes:
        """Its file's content."""
        head = {"kind": KIND, "format_version": VERSION, "image_count": self.image_count}
        return (json.dumps(head | asdict(self), indent=1, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_json(cls, content: bytes) -> Manifest:
        """Reads its file's content.

        Raises:
            ValueError: It is no manifest that this version reads.
        """
        facts = _object(content)
        if facts.get("kind") != KIND:
            raise ValueError("it is none that Lodestone wrote")
        if facts.get("format_version") != VERSION:
            raise ValueError(
                f"its format is of version {facts.get('format_version')!r}, not {VERSION}"
            )
        terms = read_fields(Terms, facts.get("terms"), "terms")
        manifest = cls(terms, _horizon(facts), _shards(facts), _left_out(facts))
        if facts.get("image_count") != manifest.image_count:
            said = facts.get("image_count")
            raise ValueError(
                f"its image_count is {said!r}, and its shards have {manifest.image_count}"
            )
        return manifest


def read_manifest(path: Path) -> Manifest | None:
    """Reads a manifest; None if there is none.

    Raises:
        CliError: It cannot be read.
    """
    if not path.exists():
        return None
    try:
        return Manifest.from_json(read_regular(path, max_bytes=_MAX_BYTES))
    except (NotReadable, ValueError, RecursionError) as error:
        raise CliError(f"{shown(path)} cannot be read: {error}") from error


def _object(content: bytes) -> dict[str, Any]:
    try:
        facts = json.loads(content)
    except ValueError as error:
        raise ValueError("it is no JSON") from error
    return facts if isinstance(facts, dict) else {}


def _horizon(facts: dict[str, Any]) -> Horizon:
    horizon = read_fields(Horizon, facts.get("horizon"), "horizon")
    try:
        horizon.message()
    except ValueError as error:
        raise ValueError(f"horizon makes no sense: {error}") from error
    return horizon


def _shards(facts: dict[str, Any]) -> list[ShardEntry]:
    found = facts.get("shards")
    if not isinstance(found, list):
        raise ValueError("shards is missing, or no list")  # noqa: TRY004 - what is read is wrong
    shards = [read_fields(ShardEntry, one, f"shards[{place}]") for place, one in enumerate(found)]
    names = {_own_name(shard.name) for shard in shards}
    if len(names) != len(shards) or any(shard.image_count < 1 for shard in shards):
        raise ValueError("its list of shards makes no sense: one is there twice, or has no images")
    return shards


def _left_out(facts: dict[str, Any]) -> dict[str, str]:
    found = facts.get("left_out")
    if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
        raise ValueError("left_out is missing, or no object of texts")
    return found


def _own_name(name: str) -> str:
    """A name in the export's own folder, and of no other."""
    if Path(name).name != name or name.startswith("."):
        raise ValueError(f"{name!r} is no name of a shard")
    return name
