"""The export request: the command line, checked as far as it can be without torch."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from services.embedder.export.errors import UnknownEncoder, WeightsUnclear
from services.embedder.export.names import CLIP_PREFIX, EFFICIENTNET_LITE0
from services.embedder.export.weights_choice import (
    Checkpoint,
    PretrainedTag,
    RandomWeights,
    WeightsChoice,
)
from services.servicekit.resize import ResizeRule


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What to export, and where to.

    Attributes:
        name: `efficientnet-lite0` or `clip-…`.
        out: The encoder folder to make.
        weights: Set for CLIP models and for no other.
        resize: Instead of the model's own rule; None keeps it.
        json: Whether to answer with one JSON object.
    """

    name: str
    out: Path
    weights: WeightsChoice | None
    resize: ResizeRule | None
    json: bool


def parse_request(arguments: Sequence[str]) -> ExportRequest:
    """Reads the command line; a wrong option ends the process with status 2 and one line.

    Raises:
        UnknownEncoder: The name is neither the bundled encoder's nor a CLIP model's.
        WeightsUnclear: The options do not name exactly one origin of the weights.
    """
    options = _parser().parse_args(arguments)
    name = str(options.name)
    if name != EFFICIENTNET_LITE0 and not name.startswith(CLIP_PREFIX):
        raise UnknownEncoder(
            name, (EFFICIENTNET_LITE0, f"{CLIP_PREFIX}vit-b-32", "other CLIP models")
        )
    weights = _weights(name, options)
    resize = ResizeRule(options.resize) if options.resize else None
    return ExportRequest(name, options.out, weights, resize, options.json)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="export", description="Exports a pretrained image encoder to ONNX.")
    parser.add_argument(
        "name", metavar="NAME", help=f"{EFFICIENTNET_LITE0}, {CLIP_PREFIX}vit-b-32, …"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to make")
    parser.add_argument("--pretrained", metavar="TAG", help="open_clip's tag of the weights")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="a file with the weights")
    parser.add_argument("--random-weights", action="store_true", help="untrained, for tests")
    parser.add_argument("--seed", type=int, metavar="N", help="of --random-weights; default 0")
    parser.add_argument("--resize", choices=[rule.value for rule in ResizeRule])
    parser.add_argument("--json", action="store_true", help="answer with one JSON object")
    return parser


def _weights(name: str, options: argparse.Namespace) -> WeightsChoice | None:
    chosen: list[WeightsChoice] = []
    if options.pretrained is not None:
        chosen.append(PretrainedTag(options.pretrained))
    if options.checkpoint is not None:
        chosen.append(Checkpoint(options.checkpoint))
    if options.random_weights:
        chosen.append(RandomWeights(options.seed or 0))
    elif options.seed is not None:
        raise WeightsUnclear(name, "--seed only together with --random-weights")
    if name == EFFICIENTNET_LITE0:
        if chosen:
            raise WeightsUnclear(name, "none of --pretrained, --checkpoint and --random-weights")
        return None
    if len(chosen) != 1:
        rule = "exactly one of --pretrained TAG, --checkpoint FILE and --random-weights"
        raise WeightsUnclear(name, rule)
    return chosen[0]
