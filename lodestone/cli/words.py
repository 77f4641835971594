"""Names and texts from elsewhere, made fit to print."""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.timestamp_pb2 import Timestamp

from lodestone.novelty.v1.profile_pb2 import Profile, ShareEstimate

_WIDE: Final = 1e9


def word(enum: EnumTypeWrapper | Any, value: int) -> str:
    """The name of a contract's enum value without its prefix: `OFF_PROFILE`; `UNKNOWN_7` for one of a newer server."""
    names = {number: name for name, number in enum.items()}
    if value not in names:
        return f"UNKNOWN_{value}"
    prefix = names[0].removesuffix("UNSPECIFIED")
    return names[value].removeprefix(prefix)


def spoken(name: str) -> str:
    """`OFF_PROFILE` as a person reads it: `off profile`."""
    return name.replace("_", " ").lower()


def printable(text: str) -> str:
    """Text without the control characters by which a title could rule a terminal."""
    return "".join(one if one.isprintable() else "�" for one in text)


def one_line(text: str) -> str:
    """Printable text on one line."""
    return printable(" ".join(text.split()))


def count_of(number: int, noun: str, nouns: str = "") -> str:
    """`1 image`, `2 images`, `1,000 images`; `nouns` where the plural is not the noun and an s."""
    return f"{number:,} {noun if number == 1 else nouns or f'{noun}s'}"


def nats_text(value: float, digits: int = 2) -> str:
    """`-1,234.50`; what would be far too wide for a line, which somebody must have stated, as `1e+308`."""
    return f"{value:,.{digits}f}" if abs(value) < _WIDE else f"{value:.4g}"


def share_text(share: ShareEstimate) -> str:
    """`94.3% (86.1% to 98.7% with 95% confidence)`."""
    interval = f"{share.low:.1%} to {share.high:.1%} with {share.confidence:.0%} confidence"
    return f"{share.expected:.1%} ({interval})"


def minute_text(time: Timestamp) -> str:
    """`2026-11-22 10:00 UTC`."""
    return f"{time.ToDatetime():%Y-%m-%d %H:%M} UTC"


def reference(profile: Profile) -> str:
    """`landscapes@2`, which names exactly this version."""
    return f"{profile.name}@{profile.version}"
