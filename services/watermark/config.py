"""The watermark service's settings, and where the detector that they name is."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.servicekit.errors import Misconfigured
from services.servicekit.inference.backend import BackendName
from services.servicekit.settings import ServiceSettings

IMAGES_MAX = 64
BUNDLED_DETECTORS = Path(__file__).resolve().parents[2] / "detectors"


class WatermarkSettings(ServiceSettings):
    """What the watermark service reads from `LODESTONE_WATERMARK_…`."""

    model_config = SettingsConfigDict(env_prefix="LODESTONE_WATERMARK_")

    port: int = Field(default=50_053, ge=0, le=65_535, description="The gRPC port.")
    metrics_port: int = Field(
        default=60_053, ge=0, le=65_535, description="The port of /metrics; 0 serves no metrics."
    )
    detector: str = Field(
        default="quadrant-head",
        min_length=1,
        description="The name of a detector folder under DATA/artifacts/detectors or among the bundled "
        "ones, or a path (with a `/`) to one.",
    )
    threshold: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Over this probability an image is watermarked; unset: the detector's own.",
    )
    backend: BackendName = Field(
        default=BackendName.ONNXRUNTIME, description="What computes: onnxruntime or cuda."
    )
    threads: int = Field(
        default=0, ge=0, le=1024, description="CPU threads of the network; 0 is one per core."
    )
    max_batch: int = Field(default=8, ge=1, le=64, description="Images per computation at most.")
    queue_limit: int = Field(
        default=256,
        ge=IMAGES_MAX,
        description="Images of unary calls, and images before the network, that wait at most.",
    )
    decode_threads: int = Field(
        default=0, ge=0, le=256, description="Threads that decode and resize; 0 is one per core."
    )


def find_detector(detector: str, data: Path) -> Path:
    """The folder of a detector by its name or path; one in the data folder hides a bundled one.

    Raises:
        Misconfigured: There is no detector of this name. A path is returned as it is.
    """
    if os.sep in detector or detector.startswith("."):
        return Path(detector).expanduser()
    folders = (data / "artifacts" / "detectors", BUNDLED_DETECTORS)
    for folder in folders:
        if (folder / detector).is_dir():
            return folder / detector
    known = {path.parent.name for folder in folders for path in folder.glob("*/detector.json")}
    message = f"there is no detector {detector!r}; there is {', '.join(sorted(known)) or 'none'}"
    raise Misconfigured(message)
