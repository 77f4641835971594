"""Why an image fits a profile or does not, in words: its percentile, and the liked photos that are nearest to it."""

from __future__ import annotations

from typing import Any

from lodestone.cli.profile_words import percent_text
from lodestone.cli.words import one_line, spoken
from lodestone.crawler.v1.judgement_pb2 import Judgement

_DIGITS = 12


def nearest_facts(judgement: Judgement) -> list[dict[str, Any]]:
    """The liked images that are nearest to a judged image, nearest first, as --json has them."""
    return [
        {
            "position": neighbour.image.position,
            "name": neighbour.image.label.name,
            "digest": neighbour.image.label.digest,
            "cosine_similarity": neighbour.cosine_similarity,
        }
        for neighbour in judgement.nearest_liked
    ]


def explanation_lines(facts: dict[str, Any]) -> list[str]:
    """The verdict with its reason; then, as far as they are known, the percentile and the nearest liked images."""
    lines = [f"{spoken(facts['verdict'])}, {one_line(facts['reason'])}"]
    if facts.get("percentile") is not None:
        lines.append(percentile_text(facts["percentile"]))
    if nearest := facts.get("nearest_liked"):
        lines.append(f"nearest liked photos, by similarity: {', '.join(map(_near_text, nearest))}")
    return lines


def percentile_text(percentile: float) -> str:
    """`percentile 40: of new photos like the liked ones, at most 40% fit as badly as this or worse`."""
    share = percent_text(percentile / 100)
    return (
        f"percentile {share.removesuffix('%')}: of new photos like the liked ones, at most {share} fit as badly as "
        "this or worse"
    )


def _near_text(neighbour: dict[str, Any]) -> str:
    """The photo by what people know it by: one that was liked as a bare embedding has no name."""
    number = f"number {neighbour['position'] + 1:,}"
    name = one_line(neighbour["name"]) or neighbour["digest"][:_DIGITS] or number
    return f"{name} ({neighbour['cosine_similarity']:.2f})"
