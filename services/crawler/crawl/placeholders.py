"""Pictures that hosts show in place of removed or blocked ones, as far as they are known."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from services.crawler.candidate import Fingerprint
from services.crawler.fetch.url import BadUrl, parse_url
from services.crawler.outcome import FetchFailed, OutcomeReason
from services.servicekit.errors import Misconfigured

# Of 64 bits. 1 in 3 × 10^13 pairs of random hashes is as near.
_NEAR_BITS = 4
_DIGEST = re.compile(r"[0-9a-f]{64}")
_HASH = re.compile(r"[0-9a-f]{16}")


class BadPlaceholderList(Misconfigured):
    """A list of placeholders with a line that is none.

    Attributes:
        line: Its number, from 1 on.
    """

    def __init__(self, line: int) -> None:
        super().__init__(
            f"line {line} of the list of placeholders starts with no SHA-256 digest (64 hex digits), perceptual hash "
            "(16 hex digits) or URL"
        )
        self.line = line


@dataclass(frozen=True, slots=True)
class Placeholders:
    """What tells placeholders from pictures; knows none unless told.

    Attributes:
        digests: SHA-256 of their bytes, 64 hex digits.
        hashes: Their 64-bit perceptual hashes.
        urls: Their addresses, in canonical form.
    """

    digests: frozenset[str] = frozenset()
    hashes: frozenset[int] = frozenset()
    urls: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads one placeholder a line, by the line's first word; what follows it is a remark.

        64 hex digits are a digest (so `sha256sum FILE >> list` will do), 16 a perceptual hash as sidecars and
        `lodestone judge --json` state it, anything else a URL. Empty lines and those that start with `#` say nothing.

        Raises:
            BadPlaceholderList: A line is none of these.
        """
        digests, hashes, urls = set(), set(), set()
        for number, line in enumerate(text.splitlines(), start=1):
            word = line.split(maxsplit=1)[0] if line.strip() else "#"
            if word.startswith("#"):
                continue
            if _DIGEST.fullmatch(word.lower()):
                digests.add(word.lower())
            elif _HASH.fullmatch(word.lower()):
                hashes.add(int(word, 16))
            else:
                urls.add(_url(word, number))
        return cls(frozenset(digests), frozenset(hashes), frozenset(urls))

    def refuse_bytes(self, digest: str, *, final_url: str) -> None:
        """Passes bytes that are no placeholder's.

        Raises:
            FetchFailed: PLACEHOLDER.
        """
        if digest in self.digests:
            message = f"the bytes {digest[:12]} are shown in place of pictures that are gone"
            raise FetchFailed(OutcomeReason.PLACEHOLDER, message, final_url=final_url)

    def refuse_picture(self, fingerprint: Fingerprint, *, final_url: str) -> None:
        """Passes a picture that looks like no placeholder; a flat one has nothing to look like.

        Raises:
            FetchFailed: PLACEHOLDER.
        """
        if fingerprint.flat:
            return
        for known in self.hashes:
            distance = (known ^ fingerprint.hash64).bit_count()
            if distance <= _NEAR_BITS:
                message = (
                    f"it looks like {known:016x}, which is shown in place of pictures that are gone: perceptual "
                    f"distance {distance} of 64 bits"
                )
                raise FetchFailed(OutcomeReason.PLACEHOLDER, message, final_url=final_url)


def _url(word: str, number: int) -> str:
    try:
        return parse_url(word).text
    except BadUrl as error:
        raise BadPlaceholderList(number) from error
