"""What can be wrong with a model, a backend, or what they compute."""

from __future__ import annotations

from services.servicekit.embedding import Precision
from services.servicekit.errors import LodestoneError, Misconfigured


class ModelUnfit(Misconfigured):
    """The model does not load, or has other inputs and outputs than it should."""


class BackendMissing(Misconfigured):
    """The backend that was asked for is not installed here, or does not start.

    Attributes:
        backend: Its name in the settings.
        cause: What is missing.
    """

    def __init__(self, backend: str, cause: str) -> None:
        super().__init__(f"backend {backend!r} {cause}")
        self.backend = backend
        self.cause = cause


class PrecisionMissing(Misconfigured):
    """No backend here computes in this precision.

    Attributes:
        backend: The backend that was asked for, or `auto`.
        precision: What it was asked for.
        cause: What it computes in instead.
    """

    def __init__(self, backend: str, precision: Precision, cause: str) -> None:
        super().__init__(f"backend {backend!r} does not compute in {precision.lower()}: {cause}")
        self.backend = backend
        self.precision = precision
        self.cause = cause


class DeviceMemoryExhausted(LodestoneError):
    """A batch needs more memory than the device has; a smaller one may not.

    Attributes:
        size: Images in the batch.
    """

    def __init__(self, size: int) -> None:
        super().__init__(f"the device has no memory for a batch of {size}")
        self.size = size
