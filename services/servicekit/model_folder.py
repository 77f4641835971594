"""The model folder of an encoder or a detector: `model.onnx` beside the JSON description that vouches for it."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Generic, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from services.servicekit.model_folder_errors import (
    DescriptionInvalid,
    DescriptionUnsupported,
    ModelDigestMismatch,
    ModelFileUnreadable,
    ModelFolderMissing,
    ModelFolderUnknown,
    ModelHasExternalData,
    ModelMalformed,
)
from services.servicekit.onnx_external_data import MalformedProtobufError, first_external_tensor

MODEL_FILE: Final = "model.onnx"

STRICT: Final = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
ModelName = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9._-]{0,127}$")]
ShortText = Annotated[str, Field(min_length=1, max_length=500)]

# What one ONNX file can have at most, being one protobuf message.
_MODEL_MAX_BYTES: Final = 2**31 - 1
_DESCRIPTION_MAX_BYTES: Final = 1_000_000
_BUNDLED: Final = Path(__file__).resolve().parents[2]

Description = TypeVar("Description")


@dataclass(frozen=True, slots=True)
class ModelFolderKind(Generic[Description]):
    """One kind of model folder: how it is found, read and verified.

    Attributes:
        word: `encoder` or `detector`.
        description: The dataclass of the facts in the JSON file.
        format_version: The one version of that file that is read here.
    """

    word: str
    description: type[Description]
    format_version: int = 1

    @property
    def description_file(self) -> str:
        """The name of the description: `encoder.json` or `detector.json`."""
        return f"{self.word}.json"

    @property
    def bundled(self) -> Path:
        """The folder of those that come with the checkout."""
        return _BUNDLED / f"{self.word}s"

    def find(self, name: str, data: Path) -> Path:
        """The folder of this name; one in the data folder hides a bundled one.

        Raises:
            ModelFolderUnknown: There is none. A path (with a `/`) is returned as it is.
        """
        if os.sep in name or name.startswith("."):
            return Path(name).expanduser()
        folders = (data / "artifacts" / f"{self.word}s", self.bundled)
        for folder in folders:
            if name and (folder / name).is_dir():
                return folder / name
        described = (
            path for folder in folders for path in folder.glob(f"*/{self.description_file}")
        )
        known = tuple(sorted({path.parent.name for path in described}))
        where = " and ".join(str(folder) for folder in folders)
        raise ModelFolderUnknown(self.word, name, known=known, where=where)

    def read_description(self, folder: Path) -> Description:
        """Reads the description of a folder.

        Raises:
            ModelFolderUnusable: There is no folder or no such file in it, or it is not what it should be.
        """
        if not folder.is_dir():
            raise ModelFolderMissing(folder, self.word)
        path = folder / self.description_file
        return self.parse(_read(path, _DESCRIPTION_MAX_BYTES), path)

    def parse(self, content: bytes, path: Path) -> Description:
        """Reads the content of a description; `path` is for the error messages.

        Raises:
            DescriptionInvalid: It is no JSON object, or a field is missing, wrong or unknown.
            DescriptionUnsupported: It is of another format version.
        """
        self._check_version(content, path)
        try:
            return TypeAdapter(self.description).validate_json(content)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            field = ".".join(str(part) for part in first["loc"])
            problem = first["msg"][0].lower() + first["msg"][1:]
            raise DescriptionInvalid(path, field=field, problem=problem) from error

    def read_model(self, folder: Path, sha256: str) -> bytes:
        """The bytes of model.onnx, verified: the runtime is given what was checked.

        Raises:
            ModelFolderUnusable: The file cannot be read, has another SHA-256, or keeps data outside itself.
        """
        path = folder / MODEL_FILE
        model = _read(path, _MODEL_MAX_BYTES)
        actual = hashlib.sha256(model).hexdigest()
        if actual != sha256:
            raise ModelDigestMismatch(
                path, described_in=self.description_file, expected=sha256, actual=actual
            )
        try:
            external = first_external_tensor(model)
        except MalformedProtobufError as error:
            raise ModelMalformed(path, str(error)) from error
        if external is not None:
            raise ModelHasExternalData(path, external)
        return model

    def _check_version(self, content: bytes, path: Path) -> None:
        """Comes first: another version may have other fields."""
        try:
            facts = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise DescriptionInvalid(path, field="", problem=f"is no JSON: {error}") from error
        if not isinstance(facts, dict):
            raise DescriptionInvalid(path, field="", problem="is no JSON object")
        found = facts.get("format_version", self.format_version)
        if found != self.format_version or isinstance(found, bool):
            raise DescriptionUnsupported(path, found=found, supported=self.format_version)


def _read(path: Path, max_bytes: int) -> bytes:
    """The size comes first: a file that cannot be right is not read, nor a pipe that nobody writes to."""
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise ModelFileUnreadable(path, "it is no file")
        if facts.st_size > max_bytes:
            cause = f"it has {facts.st_size:,} bytes, over the limit of {max_bytes:,}"
            raise ModelFileUnreadable(path, cause)
        return path.read_bytes()
    except OSError as error:
        raise ModelFileUnreadable(path, error.strerror or type(error).__name__) from error
