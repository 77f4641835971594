from __future__ import annotations

import pytest

from services.embedder.config import EmbedderSettings
from services.servicekit.encoder_folder import ENCODERS
from services.servicekit.inference.backend import BackendName
from services.servicekit.settings import read_settings


def test_the_defaults_serve_the_bundled_encoder(tmp_path):
    """On the port that clients expect, computed by the CPU; nothing is remembered."""
    settings = read_settings(EmbedderSettings)

    assert (settings.port, settings.metrics_port) == (50_051, 60_051)
    assert settings.backend is BackendName.AUTO
    assert settings.cache_bytes == 0
    assert ENCODERS.find(settings.encoder, tmp_path) == ENCODERS.bundled / "efficientnet-lite0"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PRECISION", "fp8"),
        ("BACKEND", "tpu"),
        ("ENCODER", ""),
        ("THREADS", "-1"),
        ("MAX_BATCH", "0"),
        ("CACHE_BYTES", "-1"),
        ("CACHE_BYTES", "999999"),
        ("QUEUE_LIMIT", "63"),
        ("QUEUE_LIMIT", "1000000"),
        ("DECODE_THREADS", "many"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch, capsys, name, value):
    """A queue that could never take one whole request is wrong as well, and a cache with room for nothing."""
    monkeypatch.setenv(f"LODESTONE_EMBEDDER_{name}", value)

    with pytest.raises(SystemExit):
        read_settings(EmbedderSettings)

    assert capsys.readouterr().err.startswith(f"error: LODESTONE_EMBEDDER_{name}: ")
