"""`lodestone images show`: one kept image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from lodestone.cli.facts import kept_image_facts
from lodestone.cli.image_place import blob_place, damage_of, name_place
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption
from lodestone.cli.output import Output
from lodestone.cli.running import ask_crawler
from lodestone.cli.words import spoken, word
from lodestone.crawler.v1.crawler_service_pb2 import GetImageResponse
from lodestone.crawler.v1.kept_image_pb2 import KeptImage
from lodestone.image.v1.embedding_pb2 import Precision

_ORIGIN = ("source", "title", "author", "licence", "community", "page_url", "url", "final_url")


def show(
    digest: Annotated[
        str,
        typer.Argument(metavar="DIGEST", help="Its SHA-256, or the first 8 or more digits of it."),
    ],
    as_json: JsonOption = False,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Show one kept image: what it is, why it was kept, where it came from and where its file is.

    An image that several profiles keep has one object, or one table, for each.
    """
    output = Output(as_json=as_json)
    found = ask_crawler(lambda crawler: crawler.get_image(digest.lower()))
    for place, image in enumerate(found.images):
        facts = {
            **kept_image_facts(image),
            **_embedding_facts(found),
            "file": name_place(image, data),
            "blob": blob_place(image, data),
            "damage": damage_of(image, data),
        }
        if as_json:
            output.object(facts)
        else:
            if place:
                output.text("")
            output.table(("", "~"), _rows(facts, image))


def _embedding_facts(found: GetImageResponse) -> dict[str, Any]:
    """What embedded it; null if no embedding is recorded."""
    if not found.HasField("embedding"):
        return {"encoder_id": None, "precision": None}
    embedding = found.embedding
    return {"encoder_id": embedding.encoder_id, "precision": word(Precision, embedding.precision)}


def _rows(facts: dict[str, Any], image: KeptImage) -> Iterator[tuple[str, str]]:
    size = f"{facts['width_px']}×{facts['height_px']}, {facts['size_bytes']:,} bytes"
    accepted = facts["accept_time"][:16].replace("T", " ")
    mark = "" if facts["file_state"] == "PRESENT" else f"{spoken(facts['file_state'])}: "
    rows = {
        "digest": facts["digest"],
        "size": size,
        "profile": f"{facts['profile_name']}@{facts['profile_version']}",
        "verdict": f"{spoken(facts['verdict'])}, {accepted}" if facts["verdict"] else accepted,
        "reason": facts["reason"],
        **{name.replace("_", " "): facts[name] for name in _ORIGIN},
        "file": facts["file"] or mark + image.file_name,
        "stored as": facts["blob"],
        "damage": facts["damage"],
    }
    # An address that did not lead anywhere else is said once.
    if rows["final url"] == rows["url"]:
        del rows["final url"]
    yield from ((name, value) for name, value in rows.items() if value)
