from __future__ import annotations

from services.crawler.sources.source import BadSource, SourceFailed
from services.servicekit.errors import InvalidInput, LodestoneError


def test_errors_carry_their_source() -> None:
    """Both errors name the source and the cause; a bad one is the caller's fault, a failed one is not."""
    failed = SourceFailed("folder:/x", "Permission denied")
    assert (failed.uri, failed.cause) == ("folder:/x", "Permission denied")
    assert str(failed) == "folder:/x cannot be listed: Permission denied"
    assert isinstance(failed, LodestoneError)
    assert not isinstance(failed, InvalidInput)
    bad = BadSource("x" * 300, "it is too long")
    assert bad.uri == "x" * 200 + "…"
    assert isinstance(bad, InvalidInput)
