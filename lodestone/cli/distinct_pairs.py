"""`lodestone duplicates --not-duplicate`: a person's word that two images are no duplicates."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from lodestone.cli.errors import CliError, WrongUsage
from lodestone.cli.output import Output
from lodestone.cli.running import ask_crawler
from lodestone.cli.words import minute_text
from lodestone.client import CrawlerClient
from lodestone.crawler.v1.duplicate_image_pb2 import DistinctPair

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_PAIR: Final = 2


def say_distinct(output: Output, given: Sequence[Path], *, undo: bool) -> None:
    """Says that two images, files or digests, are no duplicates, or takes it back; of none, lists what was said.

    Raises:
        WrongUsage: There is one, or there are more than two.
        CliError: One is neither a file nor a digest.
    """
    if not given and not undo:
        ask_crawler(lambda crawler: _list(crawler, output))
        return
    if len(given) != _PAIR:
        raise WrongUsage("give two images, each a file or a digest of 64 hex digits")
    one, other = map(_digest_of, given)
    change = _undo if undo else _say
    ask_crawler(lambda crawler: change(crawler, output, one, other))


async def _say(crawler: CrawlerClient, output: Output, one: str, other: str) -> None:
    answer = await crawler.create_distinct_pair(one, other)
    if output.as_json:
        near = answer.near if answer.HasField("near") else None
        output.object({**_facts(answer.pair), "near": near, "crawl_ids": list(answer.crawl_ids)})
        return
    output.text(f"{one[:12]} and {other[:12]} are no duplicates of each other")
    if answer.HasField("near") and not answer.near:
        output.text("they were none before, so that nothing changes; --undo takes it back")
    for crawl_id in answer.crawl_ids:
        output.text(
            f"judging again what was rejected for that: lodestone crawl --resume {crawl_id}"
        )


async def _undo(crawler: CrawlerClient, output: Output, one: str, other: str) -> None:
    deleted = await crawler.delete_distinct_pair(one, other)
    if output.as_json:
        output.object({"first_digest": one, "second_digest": other, "deleted": deleted})
    else:
        output.text("taken back" if deleted else "nobody had said so")


async def _list(crawler: CrawlerClient, output: Output) -> None:
    pairs = [pair async for pair in crawler.list_distinct_pairs()]
    if output.as_json:
        for pair in pairs:
            output.object(_facts(pair))
        return
    rows = [
        (pair.first_digest, pair.second_digest, minute_text(pair.create_time)) for pair in pairs
    ]
    if rows:
        output.table(("~image", "~is no duplicate of", "said"), rows)
    else:
        output.text("nobody has said so of any: lodestone duplicates A B --not-duplicate")


def _digest_of(given: Path) -> str:
    """Of a file's bytes; what is no file must be a digest."""
    if given.is_file():
        with given.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    if not _DIGEST.fullmatch(str(given)):
        message = f"{given}: no file, and no digest of 64 hex digits"
        raise CliError(message)
    return str(given)


def _facts(pair: DistinctPair) -> dict[str, Any]:
    return {
        "first_digest": pair.first_digest,
        "second_digest": pair.second_digest,
        "create_time": pair.create_time.ToJsonString(),
    }
