import json
from dataclasses import replace
from pathlib import Path

import pytest

from services.servicekit.encoder_description import (
    EncoderDescription,
    EncoderWeights,
    encoder_id_of,
)
from services.servicekit.encoder_folder import ENCODERS
from services.servicekit.model_folder_errors import DescriptionInvalid, DescriptionUnsupported
from services.servicekit.resize import ResizeRule

PATH = Path("encoder.json")


def description() -> EncoderDescription:
    """A description of an encoder that does not exist."""
    weights = EncoderWeights("nowhere", "none", "ab" * 32)
    draft = EncoderDescription(
        encoder_id="0" * 64,
        name="tiny",
        architecture="test/tiny",
        weights=weights,
        dimension=8,
        input_width_px=32,
        input_height_px=24,
        resize=ResizeRule.SQUASH,
        interpolation="bicubic",
        mean=(127.0, 127.0, 127.0),
        std=(128.0, 128.0, 128.0),
        opset=18,
        sha256="cd" * 32,
        precision="fp32",
    )
    return replace(draft, encoder_id=draft.computed_id())


def facts(**changes) -> bytes:
    """encoder.json with some fields changed; None leaves a field out."""
    merged = json.loads(description().to_json()) | changes
    return json.dumps({key: value for key, value in merged.items() if value is not None}).encode()


def test_a_description_reads_back_as_it_was_written():
    """Writing and parsing are inverse."""
    assert ENCODERS.parse(description().to_json(), PATH) == description()


@pytest.mark.parametrize(
    "change",
    [
        {"architecture": "test/other"},
        {"weights": EncoderWeights("nowhere", "none", "ef" * 32)},
        {"input_width_px": 33},
        {"input_height_px": 25},
        {"resize": ResizeRule.CENTER_CROP},
        {"mean": (127.0, 127.0, 127.5)},
        {"std": (128.0, 128.0, 128.5)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_encoder_id_depends_on_everything_that_changes_embeddings(change):
    """Architecture, weights and every part of the preprocessing."""
    assert replace(description(), **change).computed_id() != description().encoder_id


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"weights": EncoderWeights("elsewhere", "MIT", "ab" * 32)},
        {"opset": 21},
        {"sha256": "ff" * 32},
        {"dimension": 9},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_encoder_id_does_not_depend_on_the_file(change):
    """Two graphs of one network have one id, whatever they are called and however they are made."""
    assert replace(description(), **change).computed_id() == description().encoder_id


def test_the_encoder_id_is_the_same_for_whole_numbers_and_floats():
    """JSON knows one kind of number."""
    whole = replace(description(), mean=(127, 127, 127), std=(128, 128, 128))

    assert whole.computed_id() == description().encoder_id


def test_the_encoder_id_is_pinned():
    """Changing how it is computed would orphan every profile: that must not happen unnoticed."""
    computed = encoder_id_of("test/tiny", "ab" * 32, description().preprocessing)

    assert computed == "08721eddc02c2c7c79482aa736ffbe102748087415db2196dde5db376aeee47b"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"encoder_id": "xyz"}, "encoder_id"),
        ({"name": None}, "name"),
        ({"name": "../up"}, "name"),
        ({"weights": {"source": "a", "licence": "b"}}, "weights.digest"),
        ({"dimension": "1280"}, "dimension"),
        ({"dimension": 0}, "dimension"),
        ({"dimension": True}, "dimension"),
        ({"input_width_px": 1_000_000}, "input_width_px"),
        ({"resize": "stretch"}, "resize"),
        ({"interpolation": "nearest"}, "interpolation"),
        ({"mean": [1.0, 2.0]}, "mean.2"),
        ({"std": [1.0, 0.0, 1.0]}, "std.1"),
        ({"std": [1.0, float("nan"), 1.0]}, "std.1"),
        ({"sha256": "CD" * 32}, "sha256"),
        ({"precision": "fp8"}, "precision"),
        ({"colour": "blue"}, "colour"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_field_is_named(changes, field):
    """One line says which field of which file is wrong."""
    with pytest.raises(DescriptionInvalid) as caught:
        ENCODERS.parse(facts(**changes), PATH)

    assert caught.value.field == field
    assert str(caught.value).startswith(f"encoder.json: field '{field}': ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_object_is_named(content):
    """An empty, cut, wrong or hostile file has no field to name."""
    with pytest.raises(DescriptionInvalid) as caught:
        ENCODERS.parse(content, PATH)

    assert caught.value.field == ""
    assert "is no JSON" in str(caught.value)


@pytest.mark.parametrize("found", [0, 2, "1", None])
def test_another_format_version_is_named(found):
    """A newer format is told from a broken file, even where it lacks today's fields."""
    with pytest.raises(DescriptionUnsupported) as caught:
        ENCODERS.parse(json.dumps({"format_version": found}).encode(), PATH)

    assert (caught.value.found, caught.value.supported) == (found, 1)
