"""What the command line says about files of embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lodestone.cli.inputs.encoder_choice import SERVED, EncoderChoice, KnownEncoders
from lodestone.cli.inputs.fit_services import FitServices


@dataclass(frozen=True, slots=True)
class FilesSaid:
    """--encoder-id and --precision.

    Attributes:
        data: The data folder, which knows exported encoders by their names.
        encoder_id: May be empty.
        precision: May be empty.
    """

    data: Path
    encoder_id: str
    precision: str

    async def choice(self, services: FitServices) -> EncoderChoice:
        """What the files are said to be of; the embedder is asked where that is what it serves.

        Raises:
            CliError: There is no such encoder.
        """
        served = await services.served() if self.encoder_id == SERVED else None
        known = KnownEncoders(self.data, services.output.note, served)
        return known.choose(self.encoder_id, self.precision)
