"""The text detector of PP-OCRv4 up to its map of places, to be trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from services.watermark.train.text_detector import Convolution, published_convolutions

STROKE_CHANNELS = 48
TEXT_CHANNELS = 24
COARSE_CHANNELS = 192

_TEXT_SCALE = 8.0
"""Of what was published: about as large as the strokes then, or what is trained over both hardly sees it at first."""

_GREY = 127.5
_LEVELS = (3, 2, 5, 4)
"""Blocks up to 56x56, 28x28, 14x14 and 7x7 places."""

_GATED_BLOCKS = 2
_GATE_SLOPE = 1 / 6
_PYRAMID_GATE_SLOPE = 0.2


class Features(NamedTuple):
    """What the body sees in tiles.

    Attributes:
        strokes: (N, 48, 56, 56), each place 4x4 pixels: what is drawn there.
        text: (N, 24, 56, 56): from all levels, what makes it text.
        coarse: (N, 192, 14, 14), each place 16x16 pixels.
    """

    strokes: torch.Tensor
    text: torch.Tensor
    coarse: torch.Tensor


class Body(nn.Module):
    """Finds text as published; to find marks it is trained on.

    Networks that were trained on ImageNet hardly see small or faint lettering; this one was trained to find text of any
    size in scenes. It is PP-LCNetV3 (its first version: https://arxiv.org/abs/2109.15099) under a feature pyramid with
    gates (RSE-FPN, https://arxiv.org/abs/2206.03001) and the first layer of DB's head
    (https://arxiv.org/abs/1911.08947).
    """

    def __init__(self) -> None:
        super().__init__()
        published = published_convolutions()
        self.stem = _convolution(next(published))
        with torch.no_grad():
            # It was trained on blue, green, red.
            self.stem.weight.copy_(self.stem.weight.flip(1))
        strokes, *levels = (_level(published, *level) for level in enumerate(_LEVELS))
        self.strokes = strokes
        self.levels = nn.ModuleList(levels)
        self.pyramid = _Pyramid(published)

    def forward(self, pixels: torch.Tensor) -> Features:
        """(N, 224, 224, 3) uint8 RGB → the features of N tiles."""
        images = pixels.permute(0, 3, 1, 2).to(torch.float32)
        levels = [self.strokes(self.stem((images - _GREY) / _GREY))]
        for level in self.levels:
            levels.append(level(levels[-1]))
        return Features(strokes=levels[0], text=self.pyramid(levels), coarse=levels[2])


class _Pyramid(nn.Module):
    """Lays each level over the finer one, and all over the finest."""

    def __init__(self, published: Iterator[Convolution]) -> None:
        super().__init__()
        self.out = nn.ModuleList(_convolution(next(published)) for _ in _LEVELS)
        self.across = nn.ModuleList(_Gated(published) for _ in _LEVELS)
        self.thin = nn.ModuleList(_Gated(published) for _ in _LEVELS)
        self.head = _convolution(next(published))
        with torch.no_grad():
            for parameter in self.head.parameters():
                parameter.mul_(_TEXT_SCALE)

    def forward(self, levels: Sequence[torch.Tensor]) -> torch.Tensor:
        """The four levels, the finest first → (N, 24, 56, 56)."""
        seen = [out(level) for out, level in zip(self.out, levels, strict=True)]
        above, *finer = (
            across(level) for across, level in zip(self.across, reversed(seen), strict=True)
        )
        laid = [above]
        for level in finer:
            laid.append(level + _larger(laid[-1], 2))
        thin = [thin(level) for thin, level in zip(self.thin, laid, strict=True)]
        scales = [2**index for index in reversed(range(len(thin)))]
        together = torch.cat([_larger(*each) for each in zip(thin, scales, strict=True)], dim=1)
        return functional.relu(self.head(together))


class _Block(nn.Module):
    """A depthwise and a pointwise convolution."""

    def __init__(self, published: Iterator[Convolution], *, gated: bool) -> None:
        super().__init__()
        self.depthwise = _Layer(next(published))
        self.gate = _Gate(published, _GATE_SLOPE) if gated else None
        self.pointwise = _Layer(next(published))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(N, channels, s, s) → (N, channels', s', s')."""
        inner = self.depthwise(features)
        if self.gate is not None:
            inner = inner * self.gate(inner)
        outer: torch.Tensor = self.pointwise(inner)
        return outer


class _Layer(nn.Module):
    """A convolution, and a hard swish with a scale and a shift unless it makes the map smaller."""

    def __init__(self, published: Convolution) -> None:
        super().__init__()
        self.convolution = _convolution(published)
        self.line = None
        if published.swish_line is not None:
            self.line = nn.Parameter(torch.tensor(published.swish_line))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(N, channels, s, s) → (N, channels', s', s')."""
        inner: torch.Tensor = self.convolution(features)
        if self.line is None:
            return inner
        return functional.hardswish(inner) * self.line[0] + self.line[1]


class _Gated(nn.Module):
    """A convolution whose channels are raised by what they are over the whole tile."""

    def __init__(self, published: Iterator[Convolution]) -> None:
        super().__init__()
        self.convolution = _convolution(next(published))
        self.gate = _Gate(published, _PYRAMID_GATE_SLOPE)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(N, channels, s, s) → (N, channels', s, s)."""
        inner: torch.Tensor = self.convolution(features)
        return inner + inner * self.gate(inner)


class _Gate(nn.Module):
    """Squeeze and excitation (https://arxiv.org/abs/1709.01507), with a hard sigmoid of its own slope."""

    def __init__(self, published: Iterator[Convolution], slope: float) -> None:
        super().__init__()
        self.squeeze = _convolution(next(published))
        self.excite = _convolution(next(published))
        self.slope = slope

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(N, channels, s, s) → (N, channels, 1, 1), each in [0, 1]."""
        inner = self.excite(functional.relu(self.squeeze(features.mean(dim=(2, 3), keepdim=True))))
        return torch.clamp(inner * self.slope + 0.5, 0.0, 1.0)


def _level(published: Iterator[Convolution], level: int, blocks: int) -> nn.Sequential:
    gated = _GATED_BLOCKS if level == len(_LEVELS) - 1 else 0
    return nn.Sequential(*(_Block(published, gated=block < gated) for block in range(blocks)))


def _larger(features: torch.Tensor, scale: int) -> torch.Tensor:
    if scale == 1:
        return features
    return functional.interpolate(features, scale_factor=float(scale), mode="nearest")


def _convolution(published: Convolution) -> nn.Conv2d:
    out, inner, *kernel = published.weight.shape
    convolution = nn.Conv2d(
        inner * published.groups,
        out,
        (kernel[0], kernel[1]),
        published.stride,
        padding=published.padding,
        groups=published.groups,
    )
    with torch.no_grad():
        convolution.weight.copy_(torch.from_numpy(published.weight))
        bias = convolution.bias
        assert bias is not None
        bias.copy_(torch.from_numpy(published.bias))
    return convolution
