"""Which encoder embeddings from elsewhere are of."""

from __future__ import annotations

import json

import pytest

from lodestone.cli.errors import CliError
from lodestone.cli.inputs import encoder_choice
from lodestone.cli.inputs.encoder_choice import EncoderChoice, KnownEncoders
from lodestone.cli.inputs.kind import Kind
from lodestone.embedder.v1.encoder_pb2 import Encoder
from lodestone.image.v1.embedding_pb2 import PRECISION_BF16, PRECISION_FP16, PRECISION_FP32

CLIP, SERVED = "c" * 64, "5" * 64


@pytest.fixture
def known(tmp_path, monkeypatch):
    """One exported encoder, and one that is served."""
    folder = tmp_path / "artifacts" / "encoders" / "clip"
    folder.mkdir(parents=True)
    facts = {"name": "clip", "encoder_id": CLIP, "dimension": 512}
    (folder / "encoder.json").write_text(json.dumps(facts))
    monkeypatch.setattr(encoder_choice, "find_checkout", lambda: None)
    return KnownEncoders(tmp_path, pytest.fail, Encoder(encoder_id=SERVED, dimension=4))


@pytest.mark.parametrize(
    ("text", "encoder_id", "dimension"),
    [
        ("clip", CLIP, 512),
        (CLIP.upper(), CLIP, 512),
        ("served", SERVED, 4),
        (SERVED, SERVED, 4),
        ("0" * 64, "0" * 64, 0),
        ("", "", 0),
    ],
)
def test_encoders_are_named_in_three_ways(known, text, encoder_id, dimension):
    """By name, id, or as the one that is served; the dimension comes along where it is known."""
    choice = known.choose(text, "bf16")
    assert choice == EncoderChoice(encoder_id, PRECISION_BF16, dimension)


def test_an_unknown_encoder_is_one_line(known):
    """The names that there are."""
    with pytest.raises(CliError, match="not 'clap'; there is clip "):
        known.choose("clap")


def test_a_file_speaks_for_itself():
    """What it does not say, the options say; without a precision it is fp32."""
    silent, stated = EncoderChoice(), EncoderChoice(CLIP, PRECISION_FP16, 512)
    assert silent.kind(CLIP.upper(), "BF16") == Kind(CLIP, PRECISION_BF16)
    assert silent.kind(CLIP) == Kind(CLIP, PRECISION_FP32)
    assert stated.kind() == Kind(CLIP, PRECISION_FP16, 512)
    assert stated.kind(CLIP, "fp16") == Kind(CLIP, PRECISION_FP16, 512)


@pytest.mark.parametrize(
    ("encoder_id", "precision", "says"),
    [
        ("d" * 64, None, "is of encoder dddddddddddd…, and --encoder-id says cccccccccccc…"),
        ("nonsense", None, "has the encoder id 'nonsense', not 64 hex digits"),
        (None, "bf16", "is of precision bf16, and --precision says another"),
        (None, "int8", "has the precision 'int8', not fp32, fp16 or bf16"),
    ],
)
def test_contradictions_are_said(encoder_id, precision, says):
    """The file against the options, and values that are none."""
    with pytest.raises(ValueError, match=says):
        EncoderChoice(CLIP, PRECISION_FP16).kind(encoder_id, precision)


def test_an_encoder_must_be_stated_somewhere():
    """By the file or the option."""
    with pytest.raises(ValueError, match="does not say which encoder made it"):
        EncoderChoice().kind()
