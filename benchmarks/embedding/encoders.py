"""The encoders that are measured: the bundled one, and CLIP's ViT-B/32 with random weights, exported once."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from services.servicekit.encoder_folder import ENCODERS

LITE0: Final = "efficientnet-lite0"
VIT: Final = "clip-vit-b-32"

_ROOT = Path(__file__).resolve().parents[2]
# Not among the artifacts: an untrained encoder is nothing that a person would choose.
_RANDOM_VIT = _ROOT / "data" / "benchmarks" / f"{VIT}-random"
_EXPORT = (VIT, "--random-weights", "--seed", "0", "--out", str(_RANDOM_VIT))


class EncoderAbsent(Exception):
    """An encoder is not there and cannot be made here; the message says how to make it."""


def find_encoder(name: str) -> Path:
    """The encoder's folder; ViT-B/32 is exported if it is not there yet.

    Raises:
        EncoderAbsent: It cannot be exported.
    """
    return _FINDERS[name]()


def _find_lite0() -> Path:
    return ENCODERS.bundled / LITE0


def _find_vit() -> Path:
    if (_RANDOM_VIT / ENCODERS.description_file).exists():
        return _RANDOM_VIT
    if importlib.util.find_spec("torch") is None:
        message = (
            "needs torch, a large download, to be exported once: "
            ".venv/bin/pip install -c constraints.txt -e '.[export]' "
            f"(or elsewhere: python -m services.embedder.export {' '.join(_EXPORT)})"
        )
        raise EncoderAbsent(message)
    print(f"exporting {VIT} with random weights into {_RANDOM_VIT}", file=sys.stderr)
    command = [sys.executable, "-m", "services.embedder.export", *_EXPORT]
    done = subprocess.run(  # noqa: S603 - our own module
        command, cwd=_ROOT, stdout=sys.stderr, check=False
    )
    if done.returncode:
        raise EncoderAbsent(f"its export failed: {' '.join(command)}")
    return _RANDOM_VIT


_FINDERS: Final[dict[str, Callable[[], Path]]] = {LITE0: _find_lite0, VIT: _find_vit}

NAMES: Final = tuple(_FINDERS)
