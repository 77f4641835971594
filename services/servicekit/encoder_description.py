"""What an encoder is: its architecture, weights and preprocessing, and the id that they have."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Annotated, ClassVar, Final, Literal

from pydantic import ConfigDict, Field

from services.servicekit.model_folder import STRICT, ModelName, Sha256, ShortText
from services.servicekit.resize import InputShape, ResizeRule

FORMAT_VERSION: Final = 1

_SidePx = Annotated[int, Field(ge=1, le=4096)]
_Positive = Annotated[float, Field(gt=0)]


@dataclass(frozen=True, slots=True)
class EncoderWeights:
    """Where the weights come from.

    Attributes:
        source: The package, hub name or file name, as a person would look it up.
        licence: What they may be used under, or that this is not known.
        digest: SHA-256 over the named tensors, 64 hex digits; however they were stored.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    source: ShortText
    licence: ShortText
    digest: Sha256


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What happens to an image before the network; part of the encoder id.

    Attributes:
        input_width_px: The width of the network's input.
        input_height_px: The height of the network's input.
        resize: How an image of another size is brought to it.
        interpolation: Always `bicubic`, with antialiasing.
        mean: Subtracted from the red, green and blue value, on the 0..255 scale.
        std: What the difference is then divided by, on the 0..255 scale.
    """

    input_width_px: int
    input_height_px: int
    resize: ResizeRule
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: Literal["bicubic"] = "bicubic"


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderDescription:
    """The facts in encoder.json, under the same names.

    Attributes:
        encoder_id: `encoder_id_of` the architecture, weights and preprocessing below.
        name: What a person calls it, for example `efficientnet-lite0`.
        architecture: The network's name, for example `open_clip/ViT-B-32`.
        weights: Where the weights come from.
        dimension: How many coordinates an embedding has.
        input_width_px: See `Preprocessing`, as for the following five.
        opset: The version of the ONNX operator set.
        sha256: Of model.onnx, 64 hex digits. Guards loading; says nothing about the encoder.
        precision: What the graph computes in.
        format_version: Of encoder.json.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    encoder_id: Sha256
    name: ModelName
    architecture: ShortText
    weights: EncoderWeights
    dimension: Annotated[int, Field(ge=1, le=65_536)]
    input_width_px: _SidePx
    input_height_px: _SidePx
    resize: ResizeRule
    interpolation: Literal["bicubic"]
    mean: tuple[float, float, float]
    std: tuple[_Positive, _Positive, _Positive]
    opset: Annotated[int, Field(ge=1)]
    sha256: Sha256
    precision: Literal["fp32"]
    format_version: Literal[1] = FORMAT_VERSION

    @property
    def preprocessing(self) -> Preprocessing:
        """The part of the description that is about images."""
        return Preprocessing(
            input_width_px=self.input_width_px,
            input_height_px=self.input_height_px,
            resize=self.resize,
            mean=self.mean,
            std=self.std,
            interpolation=self.interpolation,
        )

    @property
    def input_shape(self) -> InputShape:
        """The network's input, as `to_input` takes it."""
        return InputShape(self.input_width_px, self.input_height_px, self.resize)

    def computed_id(self) -> str:
        """The encoder id that the facts have; `encoder_id` unless somebody edited them."""
        return encoder_id_of(self.architecture, self.weights.digest, self.preprocessing)

    def to_json(self) -> bytes:
        """The content of encoder.json."""
        return (json.dumps(asdict(self), indent=2) + "\n").encode()


def encoder_id_of(architecture: str, weights_digest: str, preprocessing: Preprocessing) -> str:
    """SHA-256 of the canonical JSON of the three, 64 hex digits.

    Keys are sorted, separators bare, numbers floats in their shortest form that reads back the
    same. File bytes, opset, exporter and precision are left out: every graph exported from the
    same three has the same id.
    """
    facts = {
        "architecture": architecture,
        "weights": weights_digest,
        "preprocessing": {
            **asdict(preprocessing),
            "mean": [float(value) for value in preprocessing.mean],
            "std": [float(value) for value in preprocessing.std],
        },
    }
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
