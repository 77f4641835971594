"""Who we say we are."""

from __future__ import annotations

from dataclasses import dataclass

from services.servicekit.errors import FailedPrecondition


@dataclass(frozen=True, slots=True)
class Identity:
    """What the crawler calls itself, always the same, to every host.

    Attributes:
        version: Our version.
        contact: How a host can reach whoever runs this crawler: a mail address or a URL; empty if none is configured.
    """

    version: str
    contact: str = ""

    @property
    def user_agent(self) -> str:
        """`Lodestone/0.1.0 (+https://example.org/bot)`; without a contact just the name."""
        name = f"Lodestone/{self.version}"
        return f"{name} (+{self.contact})" if self.contact else name


class ContactMissing(FailedPrecondition):
    """A host that is not our own was to be asked while no contact is configured.

    Attributes:
        host: The host.
    """

    def __init__(self, host: str) -> None:
        super().__init__(
            f"{host} is not asked before it can reach you: give a mail address or URL with `lodestone up --contact` or "
            "LODESTONE_CRAWLER_CONTACT; it goes into the User-Agent"
        )
        self.host = host
