"""`python -m services.embedder.bring`: an init container's work, with the embedder's own settings.

The encoder that the settings name goes from the image into DATA/artifacts/encoders, where the embedder looks first.
"""

from __future__ import annotations

import sys

import structlog

from services.embedder.bring.encoder_copy import bring_encoder
from services.embedder.config import EmbedderSettings
from services.servicekit.encoder_folder import ENCODERS
from services.servicekit.errors import LodestoneError
from services.servicekit.logs import configure_logs
from services.servicekit.settings import EXIT_MISCONFIGURED, read_settings


def main() -> int:
    """Brings the encoder; the exit status: 0 it is there, 78 it cannot be."""
    settings = read_settings(EmbedderSettings)
    configure_logs("embedder", as_json=settings.log_json)
    place = settings.data / "artifacts" / "encoders" / settings.encoder
    try:
        is_first = bring_encoder(ENCODERS.bundled / settings.encoder, place)
    except LodestoneError as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_MISCONFIGURED
    structlog.get_logger().info(
        "encoder_brought" if is_first else "encoder_was_there",
        encoder=settings.encoder,
        place=str(place),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
