"""`python -m services.embedder.export NAME --out DIR`: exports a pretrained image encoder."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from services.embedder.export.errors import PackageMissing
from services.embedder.export.request import ExportRequest, parse_request
from services.embedder.export.staging import staged_folder
from services.servicekit.encoder_description import EncoderDescription
from services.servicekit.errors import InvalidInput, LodestoneError


def main(arguments: Sequence[str]) -> int:
    """Runs the command; the exit status: 0 written, 1 failed, 2 a wrong command line."""
    before = logging.root.manager.disable
    # The libraries below warn about matters that the one line of an error says better.
    logging.disable(logging.CRITICAL)
    try:
        return _run(arguments)
    finally:
        logging.disable(before)


def _run(arguments: Sequence[str]) -> int:
    try:
        request = parse_request(arguments)
        with staged_folder(request.out) as folder:
            description = _export(request, folder)
    except LodestoneError as error:
        sys.stderr.write(f"export: {error}\n")
        return 2 if isinstance(error, InvalidInput) else 1
    sys.stdout.write(_report(request, description) + "\n")
    return 0


def _export(request: ExportRequest, folder: Path) -> EncoderDescription:
    # torch takes seconds to import and may not be there: a wrong command line is told before.
    try:
        from services.embedder.export.folder import write_encoder  # noqa: PLC0415

        if request.weights is None:
            from services.embedder.export.efficientnet_lite import (  # noqa: PLC0415
                load_efficientnet_lite0,
            )

            tower = load_efficientnet_lite0(request.resize)
        else:
            from services.embedder.export.open_clip_tower import (  # noqa: PLC0415
                load_open_clip_tower,
            )

            tower = load_open_clip_tower(request.name, request.weights, request.resize)
        return write_encoder(tower, folder)
    except ModuleNotFoundError as error:
        raise PackageMissing(error.name or str(error)) from error


def _report(request: ExportRequest, description: EncoderDescription) -> str:
    if not request.json:
        return (
            f"{request.out}: {description.name}, {description.dimension} dimensions, "
            f"encoder id {description.encoder_id}"
        )
    facts = {
        "folder": str(request.out),
        "encoder_id": description.encoder_id,
        "sha256": description.sha256,
        "dimension": description.dimension,
    }
    return json.dumps(facts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
