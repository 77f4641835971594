"""How a crawl lists one of its sources."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from services.crawler.post_rules import PostRules
from services.servicekit.errors import InvalidInput

POLL_MIN_S = 1.0
POLL_MAX_S = 30 * 86_400.0
PRIORITY_MIN = -100
PRIORITY_MAX = 100


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """What a person chose for a source.

    Attributes:
        follow: Look again and again for what is new, instead of once.
        poll_s: How long to wait between two looks, seconds; None is what suits the source.
        max_empty_polls: The source is done after so many looks in a row that brought nothing new; 0 is never.
        rules: The post gates.
        priority: -100 to 100; what it lists is leased before what sources of a lower one list.
    """

    follow: bool = False
    poll_s: float | None = None
    max_empty_polls: int = 0
    rules: PostRules = field(default_factory=PostRules)
    priority: int = 0

    def __post_init__(self) -> None:
        """Refuses what makes no sense."""
        if self.poll_s is not None and not POLL_MIN_S <= self.poll_s <= POLL_MAX_S:
            message = f"a poll interval of {self.poll_s:g} s: give {POLL_MIN_S:g} s to 30 days"
            raise InvalidInput(message)
        if self.max_empty_polls < 0:
            message = "max_empty_polls must not be negative"
            raise InvalidInput(message)
        require_priority(self.priority)

    @property
    def without_priority(self) -> Self:
        """The same with the default priority: all that listing has to begin anew for when it changes."""
        return replace(self, priority=0)

    def to_json(self) -> str:
        """As the catalogue keeps them, without the priority, which is in a column of its own."""
        facts = asdict(self)
        del facts["priority"]
        return json.dumps(facts)

    @classmethod
    def from_json(cls, text: str, *, priority: int = 0) -> Self:
        """Reads what `to_json` wrote; empty is the defaults."""
        facts = json.loads(text) if text else {}
        rules: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in facts.pop("rules", {}).items()
        }
        return cls(**facts, rules=PostRules(**rules), priority=priority)


def require_priority(priority: int) -> None:
    """Passes a priority that a source may have.

    Raises:
        InvalidInput: It is out of range.
    """
    if not PRIORITY_MIN <= priority <= PRIORITY_MAX:
        message = f"a priority of {priority}: give {PRIORITY_MIN} to {PRIORITY_MAX}"
        raise InvalidInput(message)
