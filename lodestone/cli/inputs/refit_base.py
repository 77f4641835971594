"""The version that a refit begins with, and the images that it was fitted to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from lodestone.cli.errors import CliError
from lodestone.cli.inputs.fit_services import FitServices
from lodestone.cli.inputs.kind import Kind
from lodestone.cli.words import count_of, reference
from lodestone.novelty.v1.profile_pb2 import ImageLabel, Profile

_PREFIX: Final = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True, slots=True)
class RefitBase:
    """A version and what it was fitted to.

    Attributes:
        profile: The version.
        labels: What its liked images are called, by position.
    """

    profile: Profile
    labels: list[ImageLabel]

    @classmethod
    async def of(cls, services: FitServices, named: str) -> RefitBase:
        """Asks for it.

        Raises:
            grpc.aio.AioRpcError: There is no such profile, or it does not know its liked images.
        """
        profile = await services.novelty.get_profile(named)
        exact = reference(profile)
        labels = [image.label async for image in services.novelty.list_liked_images(exact)]
        return cls(profile, labels)

    @property
    def reference(self) -> str:
        """`landscapes@2`."""
        return reference(self.profile)

    @property
    def kind(self) -> Kind:
        """What its embeddings are of."""
        profile = self.profile
        return Kind(profile.encoder_id, profile.precision, profile.dimension)

    @property
    def digests(self) -> frozenset[str]:
        """The digests of its liked images, as far as they are known."""
        return frozenset(label.digest for label in self.labels if label.digest)

    def find(self, text: str) -> ImageLabel:
        """A liked image that is named by it, by 8 digits of it or more, or by its name.

        Raises:
            CliError: There is no such image, there are several, or its digest is not known.
        """
        found = [label for label in self.labels if _is_named(label, text)]
        if not found:
            raise CliError(f"{self.reference} was not fitted to an image {text!r}")
        digests = {label.digest for label in found}
        if len(digests) > 1:
            raise CliError(
                f"{count_of(len(found), 'image')} of {self.reference} are called {text!r}: name it by its digest"
            )
        if "" in digests:
            raise CliError(
                f"the digest of {text!r} is not known: `--remove FILE` takes out a file of embeddings"
            )
        return found[0]


def _is_named(label: ImageLabel, text: str) -> bool:
    prefix = text.lower()
    if label.digest and _PREFIX.fullmatch(prefix) and label.digest.startswith(prefix):
        return True
    return bool(label.name) and text in (label.name, PurePath(label.name).name)
