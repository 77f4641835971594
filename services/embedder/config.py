"""The embedder's settings, and where the encoder that they name is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.servicekit.encoder_folder import DESCRIPTION_FILE
from services.servicekit.errors import Misconfigured
from services.servicekit.inference.backend import BackendName
from services.servicekit.settings import ServiceSettings

IMAGES_MAX = 64
BUNDLED_ENCODERS = Path(__file__).resolve().parents[2] / "encoders"


class EmbedderSettings(ServiceSettings):
    """What the embedder reads from `LODESTONE_EMBEDDER_…`."""

    model_config = SettingsConfigDict(env_prefix="LODESTONE_EMBEDDER_")

    port: int = Field(default=50_051, ge=0, le=65_535, description="The gRPC port.")
    metrics_port: int = Field(
        default=60_051, ge=0, le=65_535, description="The port of /metrics; 0 serves no metrics."
    )
    encoder: str = Field(
        default="efficientnet-lite0",
        min_length=1,
        description="The name of an encoder folder under DATA/artifacts/encoders or among the bundled "
        "ones, or a path (with a `/`) to one.",
    )
    backend: BackendName = Field(
        default=BackendName.ONNXRUNTIME, description="What computes: onnxruntime or cuda."
    )
    precision: Literal["fp32"] = Field(
        default="fp32", description="The number format; only fp32 for now."
    )
    threads: int = Field(
        default=0, ge=0, le=1024, description="CPU threads of the network; 0 is one per core."
    )
    max_batch: int = Field(default=32, ge=1, le=256, description="Images per computation at most.")
    queue_limit: int = Field(
        default=1024,
        ge=IMAGES_MAX,
        description="Images of unary calls, and images before the network, that wait at most.",
    )
    decode_threads: int = Field(
        default=0, ge=0, le=256, description="Threads that decode and resize; 0 is one per core."
    )


class EncoderUnknown(Misconfigured):
    """No encoder folder has this name.

    Attributes:
        name: What was asked for.
        known: The names that there are.
    """

    def __init__(self, name: str, known: tuple[str, ...], folders: tuple[Path, ...]) -> None:
        there = ", ".join(known) or "none"
        where = " and ".join(str(folder) for folder in folders)
        super().__init__(f"there is no encoder {name!r}; there is {there} (in {where})")
        self.name = name
        self.known = known


def find_encoder(encoder: str, data: Path) -> Path:
    """The folder of an encoder by its name or path; one in the data folder hides a bundled one.

    Raises:
        EncoderUnknown: There is no encoder of this name. A path is returned as it is.
    """
    if os.sep in encoder or encoder.startswith("."):
        return Path(encoder).expanduser()
    folders = (data / "artifacts" / "encoders", BUNDLED_ENCODERS)
    for folder in folders:
        if (folder / encoder).is_dir():
            return folder / encoder
    known = {
        path.parent.name for folder in folders for path in folder.glob(f"*/{DESCRIPTION_FILE}")
    }
    raise EncoderUnknown(encoder, tuple(sorted(known)), folders)
