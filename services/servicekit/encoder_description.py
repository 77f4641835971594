"""What an encoder is: its architecture, weights and preprocessing, and the id that they have."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from services.servicekit.encoder_errors import EncoderDescriptionInvalid, EncoderFormatUnsupported
from services.servicekit.resize import InputShape, ResizeRule

FORMAT_VERSION: Final = 1

_STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
_Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_Name = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9._-]{0,127}$")]
_Text = Annotated[str, Field(min_length=1, max_length=500)]
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

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    source: _Text
    licence: _Text
    digest: _Sha256


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

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    encoder_id: _Sha256
    name: _Name
    architecture: _Text
    weights: EncoderWeights
    dimension: Annotated[int, Field(ge=1, le=65_536)]
    input_width_px: _SidePx
    input_height_px: _SidePx
    resize: ResizeRule
    interpolation: Literal["bicubic"]
    mean: tuple[float, float, float]
    std: tuple[_Positive, _Positive, _Positive]
    opset: Annotated[int, Field(ge=1)]
    sha256: _Sha256
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


def parse_description(content: bytes, path: Path) -> EncoderDescription:
    """Reads the content of encoder.json; `path` is for the error messages.

    Raises:
        EncoderDescriptionInvalid: It is no JSON object, or a field is missing, wrong or unknown.
        EncoderFormatUnsupported: It is of another format version.
    """
    _check_version(content, path)
    try:
        return TypeAdapter(EncoderDescription).validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        problem = first["msg"][0].lower() + first["msg"][1:]
        raise EncoderDescriptionInvalid(path, field=field, problem=problem) from error


def _check_version(content: bytes, path: Path) -> None:
    """Comes first: another version may have other fields."""
    try:
        facts = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise EncoderDescriptionInvalid(path, field="", problem=f"is no JSON: {error}") from error
    if not isinstance(facts, dict):
        raise EncoderDescriptionInvalid(path, field="", problem="is no JSON object")
    found = facts.get("format_version", FORMAT_VERSION)
    if found != FORMAT_VERSION:
        raise EncoderFormatUnsupported(path, found=found, supported=FORMAT_VERSION)
