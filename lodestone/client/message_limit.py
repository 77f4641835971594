"""What a service takes in one message, told before a message of more is sent."""

from __future__ import annotations

from typing import Protocol


class Sized(Protocol):
    """A message that knows its size on the wire."""

    def ByteSize(self) -> int:  # noqa: N802 - protobuf's name
        """Bytes of the message."""


class MessageTooLarge(Exception):
    """A message has more bytes than its service takes; it was not sent.

    Attributes:
        size_bytes: What it has.
        limit_bytes: What the service takes.
    """

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"a message of {size_bytes:,} bytes; the service takes at most {limit_bytes:,}"
        )
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


def require_fits(message: Sized, limit_bytes: int) -> None:
    """Sent, it would end a stream that others share, or be tried again.

    Raises:
        MessageTooLarge: It has more bytes.
    """
    size_bytes = message.ByteSize()
    if size_bytes > limit_bytes:
        raise MessageTooLarge(size_bytes, limit_bytes)
