"""Inputs of a fit turned into its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lodestone.cli.errors import CliError
from lodestone.cli.image_files import shown
from lodestone.cli.inputs.encoder_choice import EncoderChoice
from lodestone.cli.inputs.fit_input import FileInput, FitInput, FolderInput, KeptInput
from lodestone.cli.inputs.fit_services import FitServices
from lodestone.cli.inputs.folder import folder_part
from lodestone.cli.inputs.kept import KeptWish, kept_of, kept_part
from lodestone.cli.inputs.kind import Kind
from lodestone.cli.inputs.part import Part


@dataclass(frozen=True, slots=True)
class Reading:
    """How inputs are read.

    Attributes:
        services: What computes, and what keeps images.
        choice: What files of embeddings are said to be of.
        kind: What embeddings of images are to be of: what the embedder serves, or an older profile's.
        profile_name: The profile's: images that it does not keep itself are to be marked as seen.
    """

    services: FitServices
    choice: EncoderChoice
    kind: Kind
    profile_name: str

    async def read(self, inputs: Sequence[FitInput], what: str) -> list[Part]:
        """One part for each input, in their order.

        Args:
            inputs: Any number.
            what: What they are, for the progress bar: `liked photos`.

        Raises:
            CliError: One cannot be read.
        """
        return [await self._read(one, what) for one in inputs]

    async def _read(self, one: FitInput, what: str) -> Part:
        match one:
            case FolderInput(path):
                return await folder_part(self.services, path, what)
            case KeptInput(name):
                wish = KeptWish(f"kept:{name}", self.kind, self.profile_name)
                return await kept_part(self.services, wish, await kept_of(self.services, name))
            case FileInput(path) if path.suffix.lower() == ".npy":
                return self._npy_part(one)
            case FileInput(path):
                from lodestone.cli.inputs.parquet_file import parquet_part

                return parquet_part(path, self.choice)

    def _npy_part(self, file: FileInput) -> Part:
        from lodestone.cli.inputs.npy_file import npy_part

        if not self.choice.encoder_id:
            raise CliError(
                f"{shown(file.path)} does not say which encoder made it: --encoder-id does, by an encoder's id "
                "or name, or `served`"
            )
        return npy_part(file.path, self.choice.kind())
