from __future__ import annotations

from pathlib import Path

import pytest

from services.embedder.config import (
    BUNDLED_ENCODERS,
    EmbedderSettings,
    EncoderUnknown,
    find_encoder,
)
from services.servicekit.inference.backend import BackendName
from services.servicekit.settings import read_settings


def encoder_folder(data: Path, name: str) -> Path:
    folder = data / "artifacts" / "encoders" / name
    folder.mkdir(parents=True)
    (folder / "encoder.json").touch()
    return folder


def test_the_defaults_serve_the_bundled_encoder(tmp_path):
    """On the port that clients expect, computed by the CPU."""
    settings = read_settings(EmbedderSettings)

    assert (settings.port, settings.metrics_port) == (50_051, 60_051)
    assert settings.backend is BackendName.ONNXRUNTIME
    assert find_encoder(settings.encoder, tmp_path) == BUNDLED_ENCODERS / "efficientnet-lite0"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PRECISION", "fp16"),
        ("BACKEND", "tpu"),
        ("ENCODER", ""),
        ("THREADS", "-1"),
        ("MAX_BATCH", "0"),
        ("QUEUE_LIMIT", "63"),
        ("DECODE_THREADS", "many"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch, capsys, name, value):
    """A queue that could never take one whole request is wrong as well."""
    monkeypatch.setenv(f"LODESTONE_EMBEDDER_{name}", value)

    with pytest.raises(SystemExit):
        read_settings(EmbedderSettings)

    assert capsys.readouterr().err.startswith(f"error: LODESTONE_EMBEDDER_{name}: ")


def test_an_encoder_of_the_data_folder_hides_a_bundled_one(tmp_path):
    """What a person exported is what that person means."""
    folder = encoder_folder(tmp_path, "efficientnet-lite0")

    assert find_encoder("efficientnet-lite0", tmp_path) == folder


def test_a_path_is_taken_as_it_is(tmp_path):
    """With a slash it is a path, absolute or not."""
    assert find_encoder(str(tmp_path), tmp_path / "data") == tmp_path
    assert find_encoder("./mine", tmp_path) == Path("mine")
    assert find_encoder("some/mine", tmp_path) == Path("some/mine")
    assert find_encoder("..", tmp_path) == Path("..")
    assert find_encoder("~/mine", tmp_path) == Path.home() / "mine"


def test_an_unknown_name_says_which_there_are(tmp_path):
    """Of both folders, sorted, and where they are."""
    encoder_folder(tmp_path, "clip-vit-b-32")

    with pytest.raises(EncoderUnknown) as caught:
        find_encoder("clip-vit-b-23", tmp_path)

    assert caught.value.known == ("clip-vit-b-32", "efficientnet-lite0")
    assert "'clip-vit-b-23'; there is clip-vit-b-32, efficientnet-lite0" in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_without_a_data_folder_the_bundled_ones_are_named(tmp_path):
    """Nothing has to be there."""
    with pytest.raises(EncoderUnknown) as caught:
        find_encoder("other", tmp_path / "nowhere")

    assert caught.value.known == ("efficientnet-lite0",)
