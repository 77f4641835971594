"""The detector folder: `model.onnx` beside the `detector.json` that vouches for it.

The model is a network that judges pixels, or a head that judges the embedder's embeddings of the four quadrants.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from services.servicekit.embedding import Precision
from services.servicekit.errors import Misconfigured
from services.servicekit.model_folder import (
    MODEL_FILE,
    STRICT,
    ModelFolderKind,
    ModelName,
    Sha256,
    ShortText,
)
from services.servicekit.model_folder_errors import DescriptionInvalid
from services.servicekit.resize import InputShape
from services.watermark.writing import replacing

FORMAT_VERSION: Final = 1

OUTPUTS = ("probability", "quadrant_probabilities")
"""The graph's outputs, (N,) and (N, 4) float32; its one input is `pixels`, (N, h, w, 3) uint8 RGB."""

HEAD_INPUT: Final = "embeddings"
"""The one input of a head in place of `pixels`: (N, 4, dimension) float32, one embedding per quadrant."""

_SidePx = Annotated[int, Field(ge=2, le=4096)]
_Probability = Annotated[float, Field(ge=0, le=1)]
_Quadrants = tuple[
    Literal["top-left"], Literal["top-right"], Literal["bottom-left"], Literal["bottom-right"]
]
QUADRANTS: Final[_Quadrants] = ("top-left", "top-right", "bottom-left", "bottom-right")


class DetectorKind(StrEnum):
    """What model.onnx is; the values stand in detector.json."""

    NETWORK = "network"
    EMBEDDER_HEAD = "embedder-head"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadEncoder:
    """The encoder whose embeddings a head judges; those of any other mean nothing to it.

    Attributes:
        encoder_id: 64 hex digits.
        precision: What the embeddings that it was fitted to were computed in.
        dimension: How many coordinates an embedding has.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    encoder_id: Sha256
    precision: Precision
    dimension: Annotated[int, Field(ge=1, le=65_536)]


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorDescription:
    """The facts in detector.json, under the same names.

    Attributes:
        name: What a person calls it; the name of its folder.
        detector_id: The SHA-256 of model.onnx, 64 hex digits.
        input_width_px: The width that images are squashed to.
        input_height_px: The height that images are squashed to.
        threshold: A probability over it means watermarked, in [0, 1]; exactly it passes.
        quadrants: What each column of `quadrant_probabilities` stands for.
        architecture: What the network is, for a person.
        training: What it was trained with: the seed and counts.
        kind: A network of its own, or a head over the embedder's embeddings of the four quadrants.
        encoder: Of a head, its encoder; None of a network.
        format_version: Of detector.json.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    name: ModelName
    detector_id: Sha256
    input_width_px: _SidePx
    input_height_px: _SidePx
    threshold: _Probability
    quadrants: _Quadrants
    architecture: ShortText
    training: dict[str, Any]
    kind: DetectorKind = DetectorKind.NETWORK
    encoder: HeadEncoder | None = None
    format_version: Literal[1] = FORMAT_VERSION

    @property
    def input_shape(self) -> InputShape:
        """The network's input, as `to_input` takes it: squashed, small images scaled up, panoramas cut into four."""
        return InputShape(self.input_width_px, self.input_height_px, quartered=True)

    def to_json(self) -> bytes:
        """The content of detector.json."""
        return (json.dumps(asdict(self), indent=2) + "\n").encode()


DETECTORS: Final = ModelFolderKind("detector", DetectorDescription)


@dataclass(frozen=True, slots=True)
class DetectorFolder:
    """A folder whose model is the one that its description describes.

    Attributes:
        path: The folder.
        description: The content of detector.json.
        model: The bytes of model.onnx, as they were verified: the runtime is given what was checked.
    """

    path: Path
    description: DetectorDescription
    model: bytes


def load_detector_folder(path: Path) -> DetectorFolder:
    """Reads and verifies a detector folder.

    Raises:
        ModelFolderUnusable: One of its subclasses; see `model_folder_errors`.
    """
    description = DETECTORS.read_description(path)
    _check_kind(description, path / DETECTORS.description_file)
    return DetectorFolder(path, description, DETECTORS.read_model(path, description.detector_id))


def _check_kind(description: DetectorDescription, path: Path) -> None:
    is_head = description.kind is DetectorKind.EMBEDDER_HEAD
    if is_head == (description.encoder is not None):
        return
    problem = "a head over embeddings names its encoder" if is_head else "a network has none"
    raise DescriptionInvalid(path, field="encoder", problem=problem)


def check_name(name: str) -> None:
    """Refuses a name that no detector.json can state.

    Raises:
        Misconfigured: It has other characters than `a-z0-9._-`, or starts with one of the last three.
    """
    try:
        TypeAdapter(ModelName).validate_python(name)
    except ValidationError as error:
        message = f"{name!r} is no name for a detector: use a-z, 0-9, `.`, `_` and `-`"
        raise Misconfigured(message) from error


def write_detector_folder(path: Path, model: bytes, description: DetectorDescription) -> None:
    """Writes both files; whatever else is in the folder stays.

    The description goes last: until then the old one refuses the new model.

    Raises:
        FileNotWritten: The disk is full, for example.
    """
    path.mkdir(parents=True, exist_ok=True)
    files = {MODEL_FILE: model, DETECTORS.description_file: description.to_json()}
    for name, content in files.items():
        with replacing(path / name) as draft:
            draft.write_bytes(content)
